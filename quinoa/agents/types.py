"""The data that flows between actors, replay, learner and policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt
    import tensorflow as tf

# Texts, as actors need no TensorFlow.
Array: TypeAlias = "npt.NDArray[Any] | tf.Tensor | Any"
Seed: TypeAlias = "tf.Tensor"  # int32 [2]: a seed for TensorFlow's stateless random operations.


# Among the extras of a transition where rewards are scaled: G ← γ G + r since the episode began.
RUNNING_RETURN = "running_return"
# Among those of an n-step transition, where the agent declares them in `extras_spec`: the states
# s_{t+1}, …, s_{t+n−1} between s and s', [n − 1, O]; the actions that were taken there, [n − 1, A],
# or [n − 1] from a finite set; and what a reward that follows each of them counts,
# γ^i d_t ⋯ d_{t+i−1}, 0 where the transition is of fewer steps, [n − 1].
STATES_BETWEEN, ACTIONS_BETWEEN = "states_between", "actions_between"
WEIGHTS_BETWEEN = "weights_between"
BETWEEN = frozenset((STATES_BETWEEN, ACTIONS_BETWEEN, WEIGHTS_BETWEEN))
# Extras that the policy does not add: others do, between the actor and the learner.
ADDED_BY_OTHERS = BETWEEN | {RUNNING_RETURN}


# How many names of a kind a message has; the rest are counted.
_MAX_NAMES = 4


class NonFiniteError(RuntimeError):
    """Something that is learned or acted with is NaN or infinite: what."""


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "")


class Transition(NamedTuple):
    """A batch of transitions (s, a, r, d, s'); every field has the same leading shape [...].

    An agent that needs the first five alone takes them as `s, a, r, d, next_s, *_ = transitions`.

    Attributes:
        observation: s, float32 [..., O]; or uint8 [..., H, W, C], where the environment has images.
        action: a, float32 [..., A], each component in [-1, 1]; or int32 [...] from 0 to n − 1,
            where the environment's actions are a finite set of n.
        reward: r, float32 [...].
        discount: d, float32 [...]: the environment's own discount of s', 0 at a termination and 1
            at a time limit. The agent's γ is not in it.
        next_observation: s', like s.
        last: bool [...], whether the episode ends with this transition, by a termination or a time
            limit: the next one of the same environment does not start in s'.
        extras: what the agent's actors add to each transition, by name, float32 [..., *shape] each,
            as `Agent.extras_spec` declares it. Empty for most agents.
    """

    observation: Array
    action: Array
    reward: Array
    discount: Array
    next_observation: Array
    last: Array
    extras: Mapping[str, Array] = {}
