"""Initial parameters that follow from a seed, whatever else the process does, or are kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import tensorflow as tf

_lock = threading.RLock()


@contextlib.contextmanager
def alone(seed: int | None = None) -> Iterator[None]:
    """A context in which no other thread makes networks.

    Initial parameters are drawn one after another from TensorFlow's one global generator: two
    threads that made networks at the same time would each get some of the other's.

    Args:
        seed: sets TensorFlow's global seed; None leaves the generator as it is.
    """
    with _lock:
        if seed is not None:
            tf.random.set_seed(seed)
        yield


@contextlib.contextmanager
def keeping(variables: Sequence[tf.Variable]) -> Iterator[None]:
    """A context after which variables have the values that they had before it."""
    values = [variable.numpy() for variable in variables]
    yield
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
