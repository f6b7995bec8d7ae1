"""An advantage actor-critic in few lines: what the protocol asks of an on-policy agent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.types import Seed, Transition


@dataclasses.dataclass(frozen=True)
class Config(protocol.OnPolicyConfig):
    discount: float = 0.5
    batch_size: int = 64
    segment_length: int = 4
    learning_rate: float = 1e-2


class Policy(TanhGaussianPolicy):
    def extras(self, distribution: Any, action: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {"log_prob": distribution.log_prob(action)}


class Agent(protocol.Agent):
    """Mnih et al. (2016), Algorithm S3: n-step returns, which end with an episode or a segment."""

    Config = Config

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self.policy = self.make_policy(config, spec)
        self._value = networks.Value(spec.observations.shape[0], [32])
        self._gap = tf.Variable(0.0, trainable=False, name="gap")

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Policy:
        protocol.check_spec(spec)
        return Policy(spec.observations.shape[0], spec.actions.shape[0], hidden_sizes=[32])

    @staticmethod
    def extras_spec(config: Any, spec: specs.EnvironmentSpec) -> Mapping[str, specs.Array]:
        return {"log_prob": specs.Array((), np.float32)}

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        s, a, r, d, next_s, last, extras = transitions
        value, next_value = self._value(s), self._value(next_s)
        returns: list[tf.Tensor] = []
        following = next_value[:, -1]
        for t in reversed(range(self._config.segment_length)):
            following = tf.where(last[:, t], next_value[:, t], following)
            following = r[:, t] + self._config.discount * d[:, t] * following
            returns.insert(0, following)
        target = tf.stop_gradient(tf.stack(returns, axis=1))
        log_prob = self.policy(s).log_prob(a)
        # Of the policy that acts from the one that learns: 0 but for rounding.
        self._gap.assign(tf.reduce_max(tf.abs(log_prob - extras["log_prob"])))
        return {
            "value": tf.reduce_mean(tf.square(target - value)),
            "policy": -tf.reduce_mean(tf.stop_gradient(target - value) * log_prob),
        }

    def parameter_groups(self) -> list[protocol.ParameterGroup]:
        rate = self._config.learning_rate
        return [
            protocol.ParameterGroup("value", self._value.trainable_variables, rate),
            protocol.ParameterGroup("policy", self.policy.trainable_variables, rate),
        ]

    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {"gap": self._gap.read_value()}
