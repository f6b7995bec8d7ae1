"""What an agent makes of one state where its actions are of finite sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent


class OfEachAction(NamedTuple):
    """What an agent makes of one state, where it takes n actions, or several choices at once.

    Attributes:
        probabilities: π(a|s), float32 [n]; None if the policy has no density, or where there are
            several choices.
        action_values: Q(s, a), float32 [n]; None if the agent has none.
        value: V(s); None if the agent has none.
    """

    probabilities: npt.NDArray[np.float32] | None
    action_values: npt.NDArray[np.float32] | None
    value: float | None


def of_each_action(agent: Agent, observation: npt.NDArray[Any], number: int | None) -> OfEachAction:
    """Computes π(a|s) and Q(s, a) of every action, and V(s).

    Args:
        agent: takes n actions, or several choices at once.
        observation: s, float32 [O] or uint8 [H, W, C].
        number: n; None of several choices.
    """
    import tensorflow as tf

    probabilities = None
    if agent.policy.has_density and number is not None:
        states = tf.constant(np.repeat(observation[None], number, axis=0))
        probabilities = tf.exp(agent.policy(states).log_prob(tf.range(number))).numpy()
    state = tf.constant(observation[None])
    action_values, value = agent.action_values(state), agent.value(state)
    return OfEachAction(
        probabilities,
        None if action_values is None else action_values[0].numpy(),
        None if value is None else float(value[0]),
    )
