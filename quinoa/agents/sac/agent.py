"""SAC as an agent: its networks, and the batch taken through the three losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import protocol, soft_actor_critic, targets
from quinoa.agents.sac import config as sac_config
from quinoa.agents.sac.networks import TwinActionValues, make_policy
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """SAC with twin critics and an adaptive temperature (Algorithm 1 of the paper)."""

    Config = sac_config.Config

    def __init__(self, config: sac_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="sac")
        self._config: sac_config.Config = config
        sizes = (spec.observations.shape[0], spec.actions.shape[0], config.hidden_sizes)
        self.policy = self.make_policy(config, spec)
        self._critics, self._target_critics = (
            TwinActionValues(
                *sizes,
                layer_norm=config.layer_norm,
                residual=config.network == "simba",
                name=name,
            )
            for name in ("critics", "target_critics")
        )
        targets.copy(self._critics.variables, self._target_critics.variables)
        # α itself must stay above 0, whatever the optimiser does.
        self._log_alpha = tf.Variable(math.log(config.alpha), name="log_alpha")
        self._target_entropy = config.target_entropy * spec.actions.shape[0]

    @staticmethod
    def make_policy(config: sac_config.Config, spec: specs.EnvironmentSpec) -> protocol.Policy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s, alpha = transitions.observation, tf.exp(self._log_alpha)
        action, log_prob = self.policy(s).experimental_sample_and_log_prob(seed=seeds[0])
        return {
            "critic": soft_actor_critic.critic_loss(
                self._critics(s, transitions.action), self._target(transitions, seeds[1])
            ),
            "actor": soft_actor_critic.actor_loss(self._critics(s, action), log_prob, alpha),
            "alpha": soft_actor_critic.temperature_loss(alpha, log_prob, self._target_entropy),
        }

    def _target(self, transitions: Transition, seed: Seed) -> tf.Tensor:
        """What both critics are to be, float32 [B]."""
        next_s = transitions.next_observation
        action, log_prob = self.policy(next_s).experimental_sample_and_log_prob(seed=seed)
        next_value = soft_actor_critic.soft_value(
            self._target_critics(next_s, action), log_prob, tf.exp(self._log_alpha)
        )
        discount = self._config.discount * transitions.discount
        return soft_actor_critic.target_q(transitions.reward, discount, next_value)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        trained = {
            "critic": self._critics.trainable_variables,
            "actor": self.policy.trainable_variables,
            "alpha": (self._log_alpha,),
        }
        rate = self._config.learning_rate
        return [protocol.ParameterGroup(loss, each, rate) for loss, each in trained.items()]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """The target critics move smoothly at every step."""
        del step, transitions, seed
        online, target = self._critics.variables, self._target_critics.variables
        targets.smooth(online, target, self._config.target_rate)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s, alpha = transitions.observation, tf.exp(self._log_alpha)
        action, log_prob = self.policy(s).experimental_sample_and_log_prob(seed=seeds[0])
        error = self._target(transitions, seeds[1]) - self._critics(s, transitions.action)
        return soft_actor_critic.metrics(error, self._critics(s, action), log_prob, alpha)

    def action_value(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """See the base class: the lower of the two."""
        return tf.reduce_min(self._critics(observation, action), axis=0)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """The lower of the critics' Q of the policy's mode, float32 [B]."""
        return self.action_value(observation, self.policy(observation).mode())
