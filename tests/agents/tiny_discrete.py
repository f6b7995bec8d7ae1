"""Soft Q-learning on a finite set of actions in few lines: what the protocol asks for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf
from acme import specs
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks, protocol, targets
from quinoa.agents.types import Seed, Transition


@dataclasses.dataclass(frozen=True)
class Config(protocol.OffPolicyConfig):
    discount: float = 0.5
    batch_size: int = 64
    min_replay_size: int = 200
    tau: float = 0.1
    learning_rate: float = 3e-3


class Policy(protocol.Policy):
    """π ∝ exp(Q / τ), and Q as its logits times τ."""

    def __init__(self, config: Config, observation_size: int, number: int):
        super().__init__(name="policy")
        self._tau = config.tau
        self._network = networks.mlp(observation_size, [32, number], name="network")

    def q(self, observation: tf.Tensor) -> tf.Tensor:
        return self._network(observation)

    def __call__(self, observation: tf.Tensor) -> Any:
        return tfd.Categorical(logits=self.q(observation) / self._tau)


class Agent(protocol.Agent):
    """Haarnoja et al. (2017), Eq. 5 to 7, where the soft maximum over n actions is exact."""

    Config = Config

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self.policy: Policy = self.make_policy(config, spec)
        self._target = self.make_policy(config, spec)
        targets.copy(self.policy.variables, self._target.variables)

    @staticmethod
    def check_spec(spec: specs.EnvironmentSpec) -> None:
        protocol.check_spec(spec, actions=protocol.FiniteSet)

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Policy:
        Agent.check_spec(spec)
        return Policy(config, spec.observations.shape[0], spec.actions.num_values)

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        s, a, r, d, next_s, *_ = transitions
        tau = self._config.tau
        next_value = tau * tf.reduce_logsumexp(self._target.q(next_s) / tau, axis=-1)
        target = tf.stop_gradient(r + self._config.discount * d * next_value)
        q = tf.gather(self.policy.q(s), a, batch_dims=1)
        return {"td": tf.reduce_mean(tf.square(target - q))}

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        tau = self._config.tau
        return tau * tf.reduce_logsumexp(self.policy.q(observation) / tau, axis=-1)

    def parameter_groups(self) -> list[protocol.ParameterGroup]:
        rate, optimizer = self._config.learning_rate, protocol.RMSProp()
        variables = self.policy.trainable_variables
        return [protocol.ParameterGroup("td", variables, rate, optimizer=optimizer)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        targets.smooth(self.policy.variables, self._target.variables, 0.01)
