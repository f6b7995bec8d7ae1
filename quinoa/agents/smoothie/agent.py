"""Smoothie as an agent: its networks, and the batch taken through the losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol, targets
from quinoa.agents.policies import SharedVariancePolicy, squash
from quinoa.agents.smoothie import config as smoothie_config
from quinoa.agents.smoothie import loss as smoothie_loss
from quinoa.agents.smoothie.policy import LOG_DENSITY, make_policy
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """Smoothie (Algorithm 1 of the paper) in y = atanh(a), in which the policy is a Gaussian."""

    Config = smoothie_config.Config
    policy: SharedVariancePolicy

    def __init__(self, config: smoothie_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="smoothie")
        self._config: smoothie_config.Config = config
        self.policy, self._target_policy = (self.make_policy(config, spec) for _ in range(2))
        sizes = (spec.observations.shape[0], spec.actions.shape[0], config.hidden_sizes)
        # With phantom actions the smoothed Q-function is the only one, and followed by the target.
        names = ("smoothed", "target_critic", "critic")[: 2 if config.critic == "phantom" else 3]
        self._smoothed, self._target_critic, *others = (
            networks.ActionValue(*sizes, activation=config.activation, name=name) for name in names
        )
        self._critic = others[0] if others else self._smoothed
        targets.copy(*self._followed())

    @staticmethod
    def extras_spec(
        config: smoothie_config.Config, spec: specs.EnvironmentSpec
    ) -> Mapping[str, specs.Array]:
        """See the base class."""
        del spec
        return {LOG_DENSITY: specs.Array((), np.float32)} if config.max_importance_weight else {}

    @staticmethod
    def make_policy(
        config: smoothie_config.Config, spec: specs.EnvironmentSpec
    ) -> SharedVariancePolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s, y = transitions.observation, squash.atanh(transitions.action)
        variance = tf.stop_gradient(self.policy.variance())
        target = self._target(transitions, seeds[0])
        if self._config.critic == "phantom":
            phantom = smoothie_loss.around(y, variance, seeds[1])
            smoothed_loss = smoothie_loss.weighted_loss(
                self._q(self._smoothed, s, phantom), target, self._weight(transitions)
            )
            return {"smoothed": smoothed_loss, "actor": self._actor_loss(s)}
        count = self._config.num_samples
        around = smoothie_loss.around(tf.repeat(y, count, axis=0), variance, seeds[1])
        of_samples = self._q(self._critic, tf.repeat(s, count, axis=0), around)
        expected = tf.reduce_mean(tf.reshape(of_samples, [-1, count]), axis=1)
        return {
            "critic": smoothie_loss.weighted_loss(self._q(self._critic, s, y), target),
            "smoothed": smoothie_loss.weighted_loss(self._q(self._smoothed, s, y), expected),
            "actor": self._actor_loss(s),
        }

    def _q(self, critic: networks.ActionValue, s: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """A Q-function of actions y, float32 [B, A], in states s, float32 [B, O]: float32 [B]."""
        return critic(s, tf.tanh(y))

    def _target(self, transitions: Transition, seed: Seed) -> tf.Tensor:
        """What Q̃ of a phantom action is to be (Eq. 18), or Q (Eq. 16), float32 [B]."""
        next_s = transitions.next_observation
        next_y = self._target_policy.mean(next_s)
        if self._config.critic == "two_networks":
            next_y = smoothie_loss.around(next_y, self._target_policy.variance(), seed)
        discount = self._config.discount * transitions.discount
        next_q = self._q(self._target_critic, next_s, next_y)
        return smoothie_loss.target_q(transitions.reward, discount, next_q)

    def _weight(self, transitions: Transition) -> tf.Tensor | float:
        """1/q of each transition, float32 [B], or 1."""
        greatest = self._config.max_importance_weight
        if not greatest:
            return 1.0
        return smoothie_loss.importance_weight(transitions.extras[LOG_DENSITY], greatest)

    def _actor_loss(self, s: tf.Tensor) -> tf.Tensor:
        mean, variance = self.policy.mean(s), self.policy.variance()
        loss = smoothie_loss.actor_loss(mean, variance, *self._derivatives(s, mean))
        if not self._config.kl_weight:
            return loss
        return loss + self._config.kl_weight * tf.reduce_mean(self._divergence(s))

    def _derivatives(self, s: tf.Tensor, mean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The gradient of Q̃ at the mean and its Hessian's diagonal, float32 [B, A] each."""
        return smoothie_loss.derivatives(
            lambda y: self._q(self._smoothed, s, y), tf.stop_gradient(mean)
        )

    def _divergence(self, s: tf.Tensor) -> tf.Tensor:
        """KL(π ‖ π') from the target policy (Eq. 20), float32 [B]."""
        now, old = self.policy, self._target_policy
        old_mean, old_variance = tf.stop_gradient(old.mean(s)), tf.stop_gradient(old.variance())
        return smoothie_loss.divergence(now.mean(s), now.variance(), old_mean, old_variance)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        rate, actor_rate = self._config.learning_rate, self._config.actor_learning_rate
        groups = [
            protocol.ParameterGroup("smoothed", self._smoothed.trainable_variables, rate),
            protocol.ParameterGroup("actor", self.policy.trainable_variables, actor_rate),
        ]
        if self._critic is self._smoothed:
            return groups
        critic = protocol.ParameterGroup("critic", self._critic.trainable_variables, rate)
        return [critic, *groups]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """All targets move smoothly at every step, and deviations stay within their bounds."""
        del step, transitions, seed
        config, log_variance = self._config, self.policy.log_variance
        least, greatest = (2.0 * math.log(each) for each in (config.min_stddev, config.max_stddev))
        log_variance.assign(tf.clip_by_value(log_variance, least, greatest))
        targets.smooth(*self._followed(), config.target_rate)

    def _followed(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """The variables that targets follow, and the targets, in the same order."""
        online = [*self.policy.variables, *self._critic.variables]
        return online, [*self._target_policy.variables, *self._target_critic.variables]

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        s, y = transitions.observation, squash.atanh(transitions.action)
        mean = self.policy.mean(s)
        error = self._target(transitions, seed) - self._q(self._critic, s, y)
        _, curvature = self._derivatives(s, mean)
        return {
            "td_error": tf.reduce_mean(tf.abs(error)),
            "value": tf.reduce_mean(self._q(self._smoothed, s, mean)),
            "mean_action": tf.reduce_mean(tf.tanh(mean)),
            "stddev": tf.reduce_mean(tf.sqrt(self.policy.variance())),
            "curvature": tf.reduce_mean(curvature),
            "kl": tf.reduce_mean(self._divergence(s)),
        }

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """Q̃ of the mean, float32 [B], which is the value of the policy."""
        return self._q(self._smoothed, observation, self.policy.mean(observation))
