"""The temperature of soft values: a constant, or learned so that the entropy comes to a target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sonnet as snt
import tensorflow as tf

from quinoa.agents import soft_actor_critic
from quinoa.agents.config import TemperatureConfig
from quinoa.agents.protocol import ParameterGroup
from quinoa.agents.types import Seed

# States whose policies' entropy is estimated at each gradient step, by one action each.
_NUM_STATES = 64


@snt.allow_empty_variables
class Temperature(snt.Module):
    """τ or α. Where it is learned, it is the only variable here; else there is none.

    It is learned as SAC's is (Haarnoja et al., 2018b, Eq. 18): it falls while the policy's entropy
    is above its target, and rises while it is below.
    """

    def __init__(
        self,
        initial: float,
        config: TemperatureConfig,
        target_entropy: float,
        name: str = "temperature",
    ):
        """Makes it.

        Args:
            initial: what it is at first, above 0; for good where it is not learned.
            config: whether it is learned.
            target_entropy: H̄, in nats, of whole actions as the policy's `log_prob` counts them.
            name: the module's name.
        """
        super().__init__(name=name)
        self._initial = initial
        self._target_entropy = target_entropy
        # The temperature itself must stay above 0, whatever the optimiser does.
        self._log = (
            tf.Variable(math.log(initial), name="log_temperature")
            if config.adaptive_temperature
            else None
        )

    def __call__(self) -> tf.Tensor | float:
        """What it is now: float32 [], through which no gradient flows, or a number."""
        return self._initial if self._log is None else tf.stop_gradient(tf.exp(self._log))

    def losses(self, policy: Any, observation: tf.Tensor, seed: Seed) -> Mapping[str, tf.Tensor]:
        """The loss that trains it, by the name that its parameter group has; none of a constant.

        Args:
            policy: gives a distribution with `log_prob`; no gradient flows into it.
            observation: float32 [B, O].
            seed: int32 [2].
        """
        if self._log is None:
            return {}
        distribution = policy(observation[:_NUM_STATES])
        log_prob = distribution.log_prob(tf.stop_gradient(distribution.sample(seed=seed)))
        loss = soft_actor_critic.temperature_loss(tf.exp(self._log), log_prob, self._target_entropy)
        return {"temperature": loss}

    def parameter_groups(self, learning_rate: float) -> Sequence[ParameterGroup]:
        """Says that its loss trains it; nothing of a constant."""
        if self._log is None:
            return []
        return [ParameterGroup("temperature", (self._log,), learning_rate)]

    def metrics(self) -> Mapping[str, tf.Tensor]:
        """What it is, where it is learned."""
        return {} if self._log is None else {"temperature": tf.exp(self._log)}
