"""Traces Python functions into graphs, with AutoGraph only where a function needs it.

AutoGraph makes `if`, `while` and `for` on tensors work in a graph. For that it rewrites a function
and all that it calls, Sonnet and TensorFlow Probability included, which takes longer than the
tracing itself: two thirds of the time until a learner has done its first step.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

_IS_FOR_XLA = contextvars.ContextVar("_IS_FOR_XLA", default=False)


def are_for_xla() -> bool:
    """Whether what is traced here is compiled by XLA, as a learner's steps are on a GPU.

    XLA knows fewer operations than TensorFlow: none of `tf.linalg.det`, `slogdet` and `lu`, for
    example. A function that is faster with one of them asks this, and has another way for XLA.
    """
    return _IS_FOR_XLA.get()


def trace(
    python_function: Callable[..., Any], *arguments: Any, jit_compile: bool | None = None
) -> Any:
    """Makes a `tf.function` of a function and traces it.

    The function is traced as it is and, where that fails, once more with what AutoGraph makes of
    it. So what it does beside computing tensors may happen twice.

    Args:
        python_function: computes tensors from tensors. It may have `if`, `while` and `for` on
            tensors; a `print` of a tensor shows it only in tracing (`tf.print` always).
        *arguments: nests of tensors or of `tf.TensorSpec`. If all are specs, they are the only ones
            that the result can be called with.
        jit_compile: whether XLA compiles it, as in `tf.function`. While it is traced, then,
            `are_for_xla()`.

    Returns:
        The `tf.function`, with one trace; within `eagerly`, the function itself.

    Raises:
        Exception: what the function raises in tracing with AutoGraph.
    """
    if tf.config.functions_run_eagerly():
        return python_function
    are_specs = all(isinstance(argument, tf.TensorSpec) for argument in arguments)
    options = {
        "jit_compile": jit_compile,
        "input_signature": arguments if arguments and are_specs else None,
    }
    if jit_compile:
        python_function = _told_of_xla(python_function)
    plain = tf.function(python_function, autograph=False, **options)
    with contextlib.suppress(Exception):
        plain.get_concrete_function(*arguments)
        return plain
    converted = tf.function(python_function, **options)
    converted.get_concrete_function(*arguments)
    return converted


def _told_of_xla(python_function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, in which `are_for_xla()` whenever it is traced."""

    def told(*arguments: Any) -> Any:
        token = _IS_FOR_XLA.set(True)
        try:
            return python_function(*arguments)
        finally:
            _IS_FOR_XLA.reset(token)

    return told


def missing_in_xla(python_function: Callable[..., Any], *arguments: Any) -> str | None:
    """Names the first operation of a function that XLA cannot compile, if there is one.

    It is asked to compile for the device that the function would run on, which is a CPU where no
    GPU is seen. For a GPU it knows nearly the same operations.

    Args:
        python_function: as in `trace`. It is traced, and does not run.
        *arguments: nests of tensors.

    Raises:
        Exception: the function cannot be traced, or compiled for some other reason.
    """
    traced = trace(python_function, *arguments, jit_compile=True)
    try:
        traced.experimental_get_compiler_ir(*arguments)(stage="hlo")
    except ValueError as error:
        named = re.search(r"No registered '(\w+)' OpKernel for XLA", str(error))
        if named is None:
            raise
        return named[1]
    return None


def do_if(condition: tf.Tensor, action: Callable[[], object]) -> None:
    """Does something that changes variables, in a graph, if a condition holds.

    Args:
        condition: bool [].
        action: assigns to variables. It is traced once, and what it returns is ignored.
    """

    def do() -> tf.Tensor:
        action()
        return tf.constant(True)

    tf.cond(condition, do, lambda: tf.constant(False))


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Within it, operations run as Python comes to them: nothing is traced, and each is slower."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@contextlib.contextmanager
def run_as_traced(is_wanted: bool = True) -> Iterator[None]:
    """Within it, TensorFlow does not rewrite graphs before they first run.

    That takes a third of the time until a learner has done its first step, and makes later ones
    faster, which does not pay for a few dozen. What a graph gives is the same up to rounding.

    Args:
        is_wanted: whether it is so; otherwise graphs are as in use.
    """
    name = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: is_wanted})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})
