"""What an agent makes of states, for people to look at: its action, its value, its entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs
from quinoa.agents.compiled_policy import step_number
from quinoa.agents.observations import dtype_of
from quinoa.agents.protocol import Agent

FloatArray = npt.NDArray[np.float32]

# Actions for one state from which an entropy without a formula is estimated.
ENTROPY_SAMPLES = 256


class Inspection(NamedTuple):
    """N states as an agent sees them.

    Attributes:
        action: the policy's deterministic action or a sample: float32 [N, A] from a box, int32 [N]
            from a finite set and [N, K] from K of them.
        entropy: float32 [N], of the policy, in nats; None where it has no density.
        value: V(s), float32 [N]; None where the agent has none.
    """

    action: npt.NDArray[Any]
    entropy: FloatArray | None
    value: FloatArray | None


def inspection_function(
    agent: Agent, observation_shape: tuple[int, ...], *, seed: int, sample: bool
) -> Callable[[FloatArray, int], Inspection]:
    """Compiles an agent for one shape of observations.

    The entropy is the policy's own where it has a formula, and the mean of -log π over
    `ENTROPY_SAMPLES` actions elsewhere.

    Args:
        agent: the agent.
        observation_shape: [N, O] or [N, H, W, C].
        seed: of the samples.
        sample: whether to act with samples, or with the mode.

    Returns:
        A function from observations of that shape and the number of the step, from which
        together with `seed` all samples follow.
    """
    base_seed = tf.constant([seed % 2**31, 0x15EE], tf.int32)

    def inspect(
        observation: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
        step_seed = tf.random.experimental.stateless_fold_in(base_seed, step)
        distribution = agent.policy(observation)
        if sample or not agent.policy.has_mode:
            action = distribution.sample(seed=step_seed)
        else:
            action = agent.policy.deterministic_action(distribution)
        if not agent.policy.has_density:
            return action, None, agent.value(observation)
        try:
            entropy = distribution.entropy()
        except NotImplementedError:
            other_seed = tf.random.experimental.stateless_fold_in(step_seed, 1)
            drawn = distribution.sample(ENTROPY_SAMPLES, seed=other_seed)
            entropy = -tf.reduce_mean(distribution.log_prob(drawn), axis=0)
        return action, entropy, agent.value(observation)

    function = graphs.trace(
        inspect,
        tf.TensorSpec(observation_shape, dtype_of(observation_shape)),
        tf.TensorSpec([], tf.int32),
    )

    def call(observation: FloatArray, step: int) -> Inspection:
        action, entropy, value = function(tf.constant(observation), step_number(step))
        return Inspection(
            action.numpy(),
            None if entropy is None else entropy.numpy(),
            None if value is None else value.numpy(),
        )

    return call
