"""What an agent makes of one state where its actions are a finite set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent


def probabilities_and_value(
    agent: Agent, observation: npt.NDArray[np.float32], number: int
) -> tuple[npt.NDArray[np.float32] | None, float | None]:
    """Computes π(a|s) of every action, and V(s).

    Args:
        agent: takes n actions.
        observation: s, float32 [O].
        number: n.

    Returns:
        π(a|s), float32 [n], or None if the policy has no density; and V(s), or None if the agent
        has no value.
    """
    import tensorflow as tf

    probabilities = None
    if agent.policy.has_density:
        states = tf.constant(np.repeat(observation[None], number, axis=0))
        probabilities = tf.exp(agent.policy(states).log_prob(tf.range(number))).numpy()
    value = agent.value(tf.constant(observation[None]))
    return probabilities, None if value is None else float(value[0])
