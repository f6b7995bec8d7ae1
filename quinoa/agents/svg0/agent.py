"""SVG(0) as an agent: its networks, and the batch taken through the two losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol, targets
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.svg0 import config as svg0_config
from quinoa.agents.svg0 import loss as svg0_loss
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """SVG(0) with replay and a target critic."""

    Config = svg0_config.Config

    def __init__(self, config: svg0_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="svg0")
        self._config: svg0_config.Config = config
        sizes = (spec.observations.shape[0], spec.actions.shape[0], config.hidden_sizes)
        self.policy = self.make_policy(config, spec)
        self._critic, self._target_critic = (
            networks.ActionValue(
                *sizes,
                layer_norm=config.layer_norm,
                residual=config.network == "simba",
                name=name,
            )
            for name in ("critic", "target_critic")
        )
        targets.copy(self._critic.variables, self._target_critic.variables)

    @staticmethod
    def make_policy(config: svg0_config.Config, spec: specs.EnvironmentSpec) -> protocol.Policy:
        """See the base class."""
        protocol.check_spec(spec)
        return TanhGaussianPolicy(
            spec.observations.shape[0],
            spec.actions.shape[0],
            hidden_sizes=config.hidden_sizes,
            layer_norm=config.layer_norm,
            residual=config.network == "simba",
        )

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s = transitions.observation
        action, log_prob = self.policy(s).experimental_sample_and_log_prob(seed=seeds[0])
        return {
            "critic": svg0_loss.critic_loss(
                self._critic(s, transitions.action), self._target(transitions, seeds[1])
            ),
            "actor": svg0_loss.actor_loss(
                self._critic(s, action), log_prob, self._config.entropy_weight
            ),
        }

    def _target(self, transitions: Transition, seed: Seed) -> tf.Tensor:
        """What the critic is to be, float32 [B]."""
        next_s = transitions.next_observation
        next_q = self._target_critic(next_s, self.policy(next_s).sample(seed=seed))
        discount = self._config.discount * transitions.discount
        return svg0_loss.target_q(transitions.reward, discount, next_q)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        trained = {
            "critic": self._critic.trainable_variables,
            "actor": self.policy.trainable_variables,
        }
        rate = self._config.learning_rate
        return [protocol.ParameterGroup(loss, each, rate) for loss, each in trained.items()]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """The target critic follows, smoothly or by copies."""
        del transitions, seed
        config, online, target = self._config, self._critic.variables, self._target_critic.variables
        targets.follow(online, target, config.target_rate, config.target_period, step)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s = transitions.observation
        action, log_prob = self.policy(s).experimental_sample_and_log_prob(seed=seeds[0])
        error = self._target(transitions, seeds[1]) - self._critic(s, transitions.action)
        return {
            "td_error": tf.reduce_mean(tf.abs(error)),
            "value": tf.reduce_mean(self._critic(s, action)),
            "entropy": -tf.reduce_mean(log_prob),
        }

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """What the critic gives for the policy's mode, float32 [B]."""
        return self._critic(observation, self.policy(observation).mode())
