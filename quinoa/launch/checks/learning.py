"""Checks of an agent in the learner, and of its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import (
    NUM_CALLS,
    SEED,
    STEPS_PER_CALL,
    AgentSubject,
    part,
    tensors,
)
from quinoa.launch.checks.variables import is_equal, listed, paths_of
from quinoa.launch.run.columns import TIME_COLUMNS


def learns_in_one_graph(subject: AgentSubject) -> str:
    """Steps, targets and metrics within `tf.function`; all that they change stays finite."""
    learner, metrics = subject.history.learner, subject.history.metrics
    for name, value in metrics.items():
        tensor = tf.convert_to_tensor(value)
        require(
            tensor.shape == [] and tensor.dtype == tf.float32,
            f"the metric {name!r} is {tensor.dtype.name} {tensor.shape}, not float32 []",
        )
    own = learner.agent.metrics(tensors(subject.batches()), tf.constant(SEED))
    # The learner's own columns.
    taken = [n for n in own if n.partition("/")[0] in ("loss", "gradient_norm", *TIME_COLUMNS)]
    require(not taken, f"metrics returns {listed(taken)}, the learner's own: give other names")
    require(
        learner.skipped_steps == 0,
        f"{learner.skipped_steps} of {learner.steps} gradient steps on random transitions had a "
        "loss or a gradient that is not finite: bound what grows (a logarithm, a ratio, an "
        "exponential), or start with a lower learning_rate",
    )
    spoilt = learner.not_finite()
    require(not spoilt, f"after {learner.steps} gradient steps {listed(spoilt)} is not finite")
    bad = [name for name, value in metrics.items() if not math.isfinite(float(value))]
    require(
        not bad, f"after {learner.steps} gradient steps the metrics {listed(bad)} are not finite"
    )
    return f"{', '.join(sorted(metrics))}"


def can_be_compiled_by_xla(subject: AgentSubject) -> str:
    """XLA knows all that an agent does in a gradient step, as it must where the learner has a GPU.

    It is asked for a CPU, where the same operations are missing as far as we know.
    """
    learner = subject.history.learner
    seed = tf.constant(SEED)

    def step(batch: Transition) -> tuple[Any, ...]:
        made = learner.losses_and_gradients(batch)
        learner.agent.after_step(tf.constant(2, tf.int64), batch, seed)
        return made, learner.agent.metrics(batch, seed)

    missing = graphs.missing_in_xla(step, tensors(subject.batches()))
    require(
        missing is None,
        "XLA, which compiles the gradient steps where there is a GPU, has no operation "
        f"{missing}: take another, or take another where quinoa.agents.graphs.are_for_xla()",
    )
    return ""


def calls_may_have_any_length(subject: AgentSubject) -> str:
    """K gradient steps in one call are K calls of one step, to the last bit."""
    if subject.is_repeatable:
        return ""
    single = subject.make_learner()
    for call in range(NUM_CALLS - 1):
        superbatch = subject.batches(STEPS_PER_CALL, seed=call)
        for k in range(STEPS_PER_CALL):
            single.step(part(superbatch, slice(k, k + 1)))
    _require_same(
        subject.history.at_save,
        single,
        f"{STEPS_PER_CALL} gradient steps in one call differ from {STEPS_PER_CALL} calls of one "
        "step, in {}: change variables in after_step, which follows each step, and not in metrics, "
        "which ends a call",
    )
    return ""


def continues_from_a_checkpoint(subject: AgentSubject) -> str:
    """A learner that is saved and restored continues to the last bit."""
    if subject.is_repeatable:
        return ""
    history, restored = subject.history, subject.restored()
    _require_same(
        history.at_save,
        restored,
        "a checkpoint does not bring back {}: keep its module as an attribute of the agent",
    )
    restored.step(subject.batches(STEPS_PER_CALL, seed=NUM_CALLS - 1))
    _require_same(
        history.after,
        restored,
        "a restored learner learns otherwise than one that never stopped, in "
        "{}: keep all that changes in tf.Variables of the agent, and take all that is random from "
        "the seed",
    )
    return ""


def _require_same(
    expected: Sequence[npt.NDArray[np.generic]], found: Learner, message: str
) -> None:
    differing = _differing(expected, found)
    require(not differing, message.format(listed(differing)))


def _differing(expected: Sequence[npt.NDArray[np.generic]], found: Learner) -> list[str]:
    """The variables of a learner's state whose values are not the expected ones."""
    paths = paths_of(found.agent)
    return [
        # The optimisers' are not the agent's.
        paths.get(variable.ref(), variable.name)
        for value, variable in zip(expected, found.state, strict=True)
        if not is_equal(value, variable.numpy())
    ]
