"""The check of an agent's source: its learner gets what its actors write."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quinoa.agents.types import Transition
from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import STEPS_PER_CALL, AgentSubject, part, random_transitions

# Environments of an off-policy agent's actors; transitions that they write at most; and how many
# superbatches are looked at.
_ENVIRONMENTS, _MAX_TRANSITIONS, _SUPERBATCHES = 64, 50_000, 3


def learner_gets_what_is_written(subject: AgentSubject) -> str:
    """Each transition arrives as it was written, unless the source says that it makes others.

    On-policy, besides: each is learned from once, whole segments in time order, and none was acted
    before the last gradient step.
    """
    config, agent_class = subject.config, subject.agent_class
    count = config.batch_shape[0] if subject.is_on_policy else _ENVIRONMENTS
    source = agent_class.make_source(
        config, subject.spec, num_environments=count, steps_per_call=STEPS_PER_CALL
    )
    if source.combines:
        return "its source makes each transition of several"
    memory = source.memory(subject.seed)
    halves = [half for half in (count - count // 2, count // 2) if half]
    writers = [memory.writer(half) for half in halves]
    layout, superbatch_size = subject.layout, source.steps_per_call * config.batch_size
    written: list[npt.NDArray[np.float32]] = []
    learned: set[int] = set()
    step = superbatches = first_fresh = 0
    while superbatches < _SUPERBATCHES:
        if step * count > _MAX_TRANSITIONS:
            return f"nothing is learned from before {_MAX_TRANSITIONS} transitions"
        transitions = _numbered(subject, step, count)
        written += list(layout.pack(transitions))
        start = 0
        for writer, half in zip(writers, halves, strict=True):
            writer.append(part(transitions, slice(start, start + half)))
            start += half
        step += 1
        while superbatches < _SUPERBATCHES and memory.can_sample(superbatch_size):
            rows = layout.pack(memory.sample(source.steps_per_call))
            superbatches += 1
            # Each transition's reward is its number.
            numbers = np.rint(layout.unpack(rows).reward).astype(int)
            expected = np.array([written[number] for number in numbers.ravel()])
            require(
                bool(np.array_equal(rows.reshape(expected.shape), expected)),
                "the learner gets transitions that no actor wrote: what Agent.make_source makes "
                "mixes up rows or fields",
            )
            if subject.is_on_policy:
                _require_fresh(numbers, learned, first_fresh, count)
            learned.update(numbers.ravel().tolist())
            first_fresh = step * count
    return "each segment once, acted with the parameters of its step" * subject.is_on_policy


def _require_fresh(
    numbers: npt.NDArray[np.int64], learned: set[int], first_fresh: int, count: int
) -> None:
    """Checks one superbatch of an on-policy agent.

    Args:
        numbers: of its transitions, [K, S, L].
        learned: the numbers of all transitions before.
        first_fresh: the number of the first transition that was acted after the last step.
        count: of environments.
    """
    distinct = np.unique(numbers)
    require(
        len(distinct) == numbers.size and not learned.intersection(distinct.tolist()),
        "a transition is learned from twice: an on-policy source gives out each segment once",
    )
    require(
        int(distinct[0]) >= first_fresh,
        "the learner gets transitions that were acted before its last gradient step: an on-policy "
        "source keeps none for later",
    )
    require(
        bool(np.all(np.diff(numbers, axis=-1) == count)),
        "a segment is not in time order, or not of one environment",
    )


def _numbered(subject: AgentSubject, step: int, count: int) -> Transition:
    """One transition of each environment, whose reward is its number."""
    transitions = random_transitions(subject.spec, count, seed=step)
    numbers = (step * count + np.arange(count)).astype(np.float32)
    transitions = transitions._replace(reward=numbers)
    shapes = subject.layout.shapes(count).extras
    extras = {name: np.full(shape, step, np.float32) for name, shape in shapes.items()}
    return transitions._replace(extras=extras)
