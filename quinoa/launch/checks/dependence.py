"""Checks of what the gradients of an agent's losses depend on, and what not.

Each changes a batch and compares the gradients, so they work for any kind of loss. An agent that
fails one on purpose names it in `Agent.on_purpose`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from quinoa.agents.types import Transition
from quinoa.launch.checks.base import require
from quinoa.launch.checks.probe import Probe, Vector, mixed
from quinoa.launch.checks.subject import AgentSubject
from quinoa.launch.checks.variables import listed

# Gradients are the same where they differ by less than this of their norm: rounding is 1e-7, and
# the least that was seen of a true dependence is 1e-2.
_ROUNDING = 1e-5
# The same for differences of differences: 1e-6 at most, and 1e-2 at least.
_ROUNDING_OF_DIFFERENCES = 1e-3

_Gradients = Mapping[str, Vector]


def losses_follow_reward_and_discount(subject: AgentSubject) -> str:
    """Rewards count; next states count as much as both discounts say, and not at a termination."""
    probe, batch, other = Probe(subject), subject.batches(), subject.batches(seed=1)
    ones = np.ones_like(batch.discount)
    lasting, ending = batch._replace(discount=ones), batch._replace(discount=0.0 * ones)
    of_lasting = probe.gradients(lasting)
    rewarded = probe.gradients(lasting._replace(reward=batch.reward + 1.0))
    if not _that_differ(of_lasting, rewarded):
        require(
            "ignores_reward" in probe.agent.on_purpose(),
            "no gradient of a loss depends on transitions.reward, so nothing of the task would be "
            "learned: use it in a loss; or, if the agent is to ignore it, as in imitation, let "
            "Agent.on_purpose return 'ignores_reward'",
        )
        return "rewards are ignored on purpose"
    gamma = subject.config.discount
    if gamma == 0:
        return "later rewards do not count, as discount = 0"
    next_observation = other.next_observation
    of_ending = probe.gradients(ending)
    where_it_lasts = _that_differ(
        of_lasting, probe.gradients(lasting._replace(next_observation=next_observation))
    )
    where_it_ends = _that_differ(
        of_ending, probe.gradients(ending._replace(next_observation=next_observation))
    )
    require(
        bool(where_it_lasts) or not where_it_ends,
        "next_observation matters where transitions.discount is 0 and not where it is 1: it is 0 "
        "at a termination, and no flag of one, so multiply the value of the next state by it (and "
        "not by 1 - it)",
    )
    require(
        bool(where_it_lasts),
        f"no gradient of a loss depends on next_observation, though discount = {gamma:g}: add the "
        "value of the next state to the reward, times self._config.discount * "
        "transitions.discount; or, if later rewards are not to count, make the default discount 0",
    )
    require(
        bool(_that_differ(of_lasting, of_ending)),
        "no gradient of a loss depends on transitions.discount, so the value of the state after an "
        "episode's end would count: multiply the value of the next state by self._config.discount "
        "* transitions.discount",
    )
    try:
        config = dataclasses.replace(subject.config, discount=0.5 * gamma)
    except (TypeError, ValueError):
        # An agent that does not work with another.
        config = None
    require(
        config is None or bool(_that_differ(of_lasting, Probe(subject, config).gradients(lasting))),
        "no gradient of a loss depends on the setting discount, so --set discount= would do "
        "nothing: multiply the value of the next state by self._config.discount * "
        "transitions.discount",
    )
    if where_it_ends:
        return (
            f"note: the loss {listed(where_it_ends)} depends on next_observation where "
            "transitions.discount is 0 too, which is right for a model of the environment and a "
            "fault in the value of a next state, its entropy included"
        )
    return ""


def losses_are_means_over_transitions(subject: AgentSubject) -> str:
    """What a transition adds to a gradient does not depend on the others in its batch.

    On-policy, the same holds for whole segments. The batch is cut into three parts, and each is
    exchanged for other transitions. Where a loss is a mean over transitions, two parts change its
    gradient by the sum of what each does alone. This holds whatever actions the loss samples, as
    their randomness belongs to places in the batch. A loss over pairs breaks it, and keeps the same
    for three parts and pairs of parts.
    """
    probe, batch = Probe(subject), subject.batches()
    # On-policy, of segments: the transitions of one depend on each other.
    size, ones = batch.reward.shape[0], np.ones_like(batch.discount)
    if size < 3:
        return f"a batch of {size} says nothing of that"
    batch = batch._replace(discount=ones)
    other = subject.batches(seed=1)
    # Far from the others, so that even a mean over a large batch moves.
    other = other._replace(discount=ones, reward=other.reward + 3.0)
    if other.observation.dtype.kind == "f":
        other = other._replace(observation=other.observation + 1.0)
    # In no order, so that any exchange of places is seen.
    part_of = np.random.default_rng(subject.seed).permutation(np.arange(size) % 3)

    def exchanged(*parts: int) -> _Gradients:
        return probe.gradients(mixed(np.isin(part_of, parts), other, batch))

    none, first, second, both = exchanged(), exchanged(0), exchanged(1), exchanged(0, 1)
    by_two = {name: both[name] - first[name] - second[name] + none[name] for name in none}
    coupled = [
        name
        for name, difference in by_two.items()
        if _norm(difference)
        > _ROUNDING_OF_DIFFERENCES
        * (_norm(first[name] - none[name]) + _norm(second[name] - none[name]))
    ]
    if not coupled or "pairs_transitions" in probe.agent.on_purpose():
        return ""
    third, all_parts = exchanged(2), exchanged(0, 1, 2)
    first_third, second_third = exchanged(0, 2), exchanged(1, 2)
    pairs = []
    for name in coupled:
        by_three = (
            all_parts[name] - both[name] - first_third[name] - second_third[name]
            + first[name] + second[name] + third[name] - none[name]
        )  # fmt: skip
        if _norm(by_three) <= 10.0 * _ROUNDING_OF_DIFFERENCES * _norm(by_two[name]):
            pairs.append(name)
    require(
        not pairs,
        f"the loss {listed(pairs)} brings transitions of a batch together in pairs: look for "
        "[B, 1] that meets [B] and becomes [B, B] (r[:, None]; keepdims; a network's last axis of "
        "1, which tf.squeeze(x, axis=-1) removes), or for a reshape that changes their order; or, "
        "if it is to compare transitions, let Agent.on_purpose return 'pairs_transitions'",
    )
    return (
        f"note: the loss {listed(coupled)} is no mean over transitions, as where something is "
        "normalised over the batch"
    )


def no_gradient_goes_through_next_values(subject: AgentSubject) -> str:
    """A bootstrapped target stays fixed while the gradient of the error to it is taken.

    In a state of zeros, the weights that a network multiplies observations by get a gradient of
    zero, unless it comes by way of the next state. One that does so where the discount is 1, and
    not where it is 0, comes by way of the value that is bootstrapped from. Of networks that shift
    what they are given this tells nothing, and so accuses none.
    """
    probe, batch = Probe(subject), subject.batches()
    states, zeros = batch.observation, np.zeros_like(batch.observation)
    ones = np.ones_like(batch.discount)

    def at(
        observation: npt.NDArray[np.float32],
        next_observation: npt.NDArray[np.float32],
        discount: float,
    ) -> Transition:
        return batch._replace(
            observation=observation, next_observation=next_observation, discount=discount * ones
        )

    of_state, of_ending, of_next = (
        probe.gradients(at(*arguments))
        for arguments in ((states, zeros, 0.0), (zeros, states, 0.0), (zeros, states, 1.0))
    )
    through = [
        name
        for name in probe.losses
        if np.any((of_state[name] != 0) & (of_ending[name] == 0) & (of_next[name] != 0))
    ]
    require(
        not through or "residual_gradient" in probe.agent.on_purpose(),
        f"the gradient of the loss {listed(through)} goes through the value of the next state too, "
        "and would pull it towards the present one: put tf.stop_gradient around the target; or, if "
        "the agent is a residual algorithm, let Agent.on_purpose return 'residual_gradient'",
    )
    return "one does, on purpose" if through else ""


def _that_differ(ones: _Gradients, others: _Gradients) -> list[str]:
    """The names of the losses whose gradients are not the same."""
    return [
        name
        for name, one in ones.items()
        if _norm(one - others[name]) > _ROUNDING * max(_norm(one), _norm(others[name]))
    ]


def _norm(vector: Vector) -> float:
    return float(np.linalg.norm(vector))
