"""A2C as an agent: its networks, and the segments taken through the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol
from quinoa.agents.a2c import config as a2c_config
from quinoa.agents.a2c import loss as a2c_loss
from quinoa.agents.actions import action_set
from quinoa.agents.observations import observation_set
from quinoa.agents.policies import CategoricalPolicy, TanhGaussianPolicy, categorical_policy
from quinoa.agents.types import Seed, Transition

_OPTIMIZERS = {
    "rmsprop": protocol.RMSProp(),
    "rmsprop_tf1": protocol.RMSProp(tensorflow_1=True),
    "adam": protocol.Adam(epsilon=1e-5),
}


class _Evaluated(NamedTuple):
    """What the losses are made of, float32 [S, L] each.

    Attributes:
        log_prob: log π(a_t|s_t).
        entropy: H(π) in s_t, or an estimate of it.
        kl: KL[π‖π̄] in s_t.
        value: V(s_t).
        advantage: Δ_t.
    """

    log_prob: tf.Tensor
    entropy: tf.Tensor
    kl: tf.Tensor
    value: tf.Tensor
    advantage: tf.Tensor


class Agent(protocol.Agent):
    """A2C with a naive or a proper bonus on the entropy, and soft Q-learning in its place."""

    Config = a2c_config.Config

    def __init__(self, config: a2c_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="a2c")
        self._config: a2c_config.Config = config
        self.policy: CategoricalPolicy | TanhGaussianPolicy = self.make_policy(config, spec)
        observations = observation_set(spec.observations)
        if config.shared_trunk:
            size = networks.features_size(observations, config.hidden_sizes, config.convolutions)
            self._value = networks.Value(size, ())
        else:
            self._value = networks.Value(
                observations,
                config.hidden_sizes,
                layer_norm=config.layer_norm,
                convolutions=config.convolutions,
            )
        # log π̄ of every action.
        self._log_reference = 0.0
        if config.returns == "kl":
            self._log_reference = _log_of_uniform(spec)

    @staticmethod
    def check_spec(spec: specs.EnvironmentSpec) -> None:
        """See the base class: it takes boxes and finite sets, and images with finite sets."""
        protocol.check_spec(
            spec,
            actions=(protocol.Box, protocol.FiniteSet, protocol.FiniteProduct),
            observations=protocol.images_of_finite_sets(spec),
        )

    @staticmethod
    def make_policy(
        config: a2c_config.Config, spec: specs.EnvironmentSpec
    ) -> CategoricalPolicy | TanhGaussianPolicy:
        """See the base class: a softmax for each finite set, a tanh-Gaussian on a box."""
        Agent.check_spec(spec)
        actions = action_set(spec.actions)
        settings: dict[str, Any] = {
            "hidden_sizes": config.hidden_sizes,
            "layer_norm": config.layer_norm,
        }
        if not isinstance(actions, protocol.Box):
            return categorical_policy(
                observation_set(spec.observations),
                actions,
                convolutions=config.convolutions,
                **settings,
            )
        return TanhGaussianPolicy(spec.observations.shape[0], actions.size, **settings)

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        config, of = self._config, self._evaluate(transitions, seed)
        if config.update == "soft_q":
            log_ratio = of.log_prob - self._log_reference
            return {
                "a2c": a2c_loss.soft_q_loss(
                    log_ratio, of.kl, of.value, of.advantage, config.tau, config.value_coefficient
                )
            }
        policy_loss = a2c_loss.policy_loss(of.log_prob, of.kl, of.advantage, config.tau)
        value_loss = a2c_loss.value_loss(of.value, of.advantage)
        return {"a2c": policy_loss + config.value_coefficient * value_loss}

    def _evaluate(self, transitions: Transition, seed: Seed) -> _Evaluated:
        config, (s, a, r, d, next_s, last, _) = self._config, transitions
        distribution, value = self._policy_and_value(_flat(s))
        _, next_value = self._policy_and_value(_flat(next_s))
        log_prob, entropy, value, next_value = (
            tf.reshape(each, tf.shape(r))
            for each in (
                distribution.log_prob(_flat(a)),
                self._entropy(distribution, seed),
                value,
                next_value,
            )
        )
        kl = -entropy - self._log_reference
        reward = r if config.returns == "standard" else r - config.tau * kl
        discount = config.discount * d
        errors = a2c_loss.bellman_errors(reward, discount, value, next_value)
        decay = tf.where(last, 0.0, config.gae_lambda * discount)
        advantage = tf.stop_gradient(a2c_loss.advantages(errors, decay))
        return _Evaluated(log_prob, entropy, kl, value, advantage)

    def _policy_and_value(self, observation: tf.Tensor) -> tuple[Any, tf.Tensor]:
        """π(·|s) and V(s), float32 [B], for observations, [B, O] or [B, H, W, C]."""
        distribution, features = self.policy.with_features(observation)
        return distribution, self._value(features if self._config.shared_trunk else observation)

    def _entropy(self, distribution: Any, seed: Seed) -> tf.Tensor:
        """H(π), float32 [B]: exact of finite sets, of one more action each on a box."""
        if isinstance(self.policy, CategoricalPolicy):
            return distribution.entropy()
        return -distribution.experimental_sample_and_log_prob(seed=seed)[1]

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        config = self._config
        variables = (*self.policy.trainable_variables, *self._value.trainable_variables)
        optimizer = _OPTIMIZERS[config.optimizer]
        return [
            protocol.ParameterGroup("a2c", variables, config.learning_rate, optimizer=optimizer)
        ]

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return self._policy_and_value(observation)[1]

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        of = self._evaluate(transitions, seed)
        unexplained = tf.math.reduce_variance(of.advantage)
        total = tf.math.reduce_variance(of.value + of.advantage)
        return {
            "advantage": tf.reduce_mean(tf.abs(of.advantage)),
            "entropy": tf.reduce_mean(of.entropy),
            "value": tf.reduce_mean(of.value),
            # The share of the returns' variance that V explains; 1 where they do not vary.
            "explained_variance": 1.0 - tf.math.divide_no_nan(unexplained, total),
        }


def _flat(field: tf.Tensor) -> tf.Tensor:
    """A field of S segments of L transitions, [S, L, ...], as [S · L, ...]."""
    return tf.reshape(field, [-1, *field.shape[2:]])


def _log_of_uniform(spec: specs.EnvironmentSpec) -> float:
    """The log-probability, on a box the log-density, of any action under the uniform policy."""
    actions = action_set(spec.actions)
    if isinstance(actions, protocol.FiniteSet):
        return -math.log(actions.number)
    if isinstance(actions, protocol.FiniteProduct):
        return -sum(map(math.log, actions.numbers))
    return -actions.size * math.log(2.0)
