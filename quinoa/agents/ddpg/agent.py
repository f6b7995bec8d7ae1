"""DDPG as an agent: its networks, and the batch taken through the two losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol, targets
from quinoa.agents.ddpg import config as ddpg_config
from quinoa.agents.ddpg import loss as ddpg_loss
from quinoa.agents.policies import DeterministicPolicy, make_deterministic_policy
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """DDPG (Algorithm 1 of the paper); the noise is the actors'."""

    Config = ddpg_config.Config
    policy: DeterministicPolicy

    def __init__(self, config: ddpg_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="ddpg")
        self._config: ddpg_config.Config = config
        sizes = (spec.observations.shape[0], spec.actions.shape[0], config.hidden_sizes)
        self.policy, self._target_policy = (self.make_policy(config, spec) for _ in range(2))
        self._critic, self._target_critic = (
            networks.ActionValue(*sizes, layer_norm=config.layer_norm, name=name)
            for name in ("critic", "target_critic")
        )
        targets.copy(*self._followed())

    @staticmethod
    def make_policy(config: ddpg_config.Config, spec: specs.EnvironmentSpec) -> DeterministicPolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_deterministic_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        s = transitions.observation
        q = self._critic(s, transitions.action)
        return {
            "critic": ddpg_loss.critic_loss(q, self._target(transitions)),
            "actor": ddpg_loss.actor_loss(self._critic(s, self.policy.action(s))),
        }

    def _target(self, transitions: Transition) -> tf.Tensor:
        """What the critic is to be, float32 [B]."""
        next_s = transitions.next_observation
        next_q = self._target_critic(next_s, self._target_policy.action(next_s))
        discount = self._config.discount * transitions.discount
        return ddpg_loss.target_q(transitions.reward, discount, next_q)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        config, critic, actor = self._config, self._critic, self.policy
        return [
            protocol.ParameterGroup("critic", critic.trainable_variables, config.learning_rate),
            protocol.ParameterGroup("actor", actor.trainable_variables, config.actor_learning_rate),
        ]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """Both targets follow, smoothly or by copies."""
        del transitions, seed
        config, (online, target) = self._config, self._followed()
        targets.follow(online, target, config.target_rate, config.target_period, step)

    def _followed(self) -> tuple[list[tf.Variable], list[tf.Variable]]:
        """The variables that targets follow, and the targets, in the same order."""
        online = [*self.policy.variables, *self._critic.variables]
        return online, [*self._target_policy.variables, *self._target_critic.variables]

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        s, noise = transitions.observation, self._config.exploration()
        action = self.policy.action(s)
        error = self._target(transitions) - self._critic(s, transitions.action)
        return {
            "td_error": tf.reduce_mean(tf.abs(error)),
            "value": tf.reduce_mean(self._critic(s, action)),
            "mean_action": tf.reduce_mean(action),
            "stddev": tf.constant(0.0 if noise is None else noise.stddev),
        }

    def action_value(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return self._critic(observation, action)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """What the critic gives for the policy's action, float32 [B]."""
        return self._critic(observation, self.policy.action(observation))
