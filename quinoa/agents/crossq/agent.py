"""CrossQ as an agent: its networks, and the batch taken through the three losses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf
from acme import specs

from quinoa.agents import graphs, protocol, soft_actor_critic
from quinoa.agents.crossq import config as crossq_config
from quinoa.agents.crossq.networks import TwinActionValues, make_policy
from quinoa.agents.policies import BatchNormGaussianPolicy
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """SAC whose critics have batch renormalisation and no targets (the paper's Figure 2)."""

    Config = crossq_config.Config
    policy: BatchNormGaussianPolicy

    def __init__(self, config: crossq_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="crossq")
        self._config: crossq_config.Config = config
        observation_size, action_size = spec.observations.shape[0], spec.actions.shape[0]
        self.policy = self.make_policy(config, spec)
        self._critics = TwinActionValues(observation_size, action_size, config.critic_hidden_sizes)
        # α itself must stay above 0, whatever the optimiser does.
        self._log_alpha = tf.Variable(math.log(config.alpha), name="log_alpha")
        self._target_entropy = config.target_entropy * action_size
        # How often the parameters, and the running statistics, have moved.
        self._critic_updates = _counter("critic_updates")
        self._actor_updates = _counter("actor_updates")

    @staticmethod
    def make_policy(
        config: crossq_config.Config, spec: specs.EnvironmentSpec
    ) -> BatchNormGaussianPolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        return self.losses_and_statistics(transitions, seed)[0]

    def losses_and_statistics(
        self, transitions: Transition, seed: Seed
    ) -> tuple[Mapping[str, tf.Tensor], dict[str, Any]]:
        """In its own loss alone, a network normalises by the batch; else by running statistics.

        See the base class. The statistics are the moments of each layer's inputs in these passes.
        """
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s, alpha = transitions.observation, tf.exp(self._log_alpha)
        critic, critic_moments = self._critic_loss(transitions, seeds[1])
        distribution, actor_moments = self.policy.in_training(s, self._share(self._actor_updates))
        action, log_prob = distribution.experimental_sample_and_log_prob(seed=seeds[0])
        losses = {
            "critic": critic,
            "actor": soft_actor_critic.actor_loss(self._critics(s, action), log_prob, alpha),
            "alpha": soft_actor_critic.temperature_loss(alpha, log_prob, self._target_entropy),
        }
        return losses, {"critics": critic_moments, "actor": actor_moments}

    def _critic_loss(self, transitions: Transition, seed: Seed) -> tuple[tf.Tensor, Any]:
        """The critics' loss, float32 [], and the moments of its pass."""
        next_action, next_log_prob = self._next_action(transitions, seed)
        q, next_q, moments = self._critics.joint(
            transitions.observation,
            transitions.action,
            transitions.next_observation,
            next_action,
            self._share(self._critic_updates),
        )
        target = self._target(transitions, next_q, next_log_prob)
        return soft_actor_critic.critic_loss(q, target), moments

    def _next_action(self, transitions: Transition, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
        """A' ~ π(·|s') by the running statistics, without a gradient, and log π(a'|s')."""
        distribution = self.policy(transitions.next_observation)
        action, log_prob = distribution.experimental_sample_and_log_prob(seed=seed)
        return tf.stop_gradient(action), log_prob

    def _target(
        self, transitions: Transition, next_q: tf.Tensor, next_log_prob: tf.Tensor
    ) -> tf.Tensor:
        """What both critics are to be, float32 [B], for Q_i(s', a'), float32 [2, B]."""
        alpha = tf.exp(self._log_alpha)
        next_value = soft_actor_critic.soft_value(next_q, next_log_prob, alpha)
        discount = self._config.discount * transitions.discount
        return soft_actor_critic.target_q(transitions.reward, discount, next_value)

    def _share(self, updates: tf.Variable) -> tf.Tensor:
        """Of batch renormalisation: 0 while a network is warming up, and then 1; float32 []."""
        return tf.cast(updates >= self._config.renorm_warm_up, tf.float32)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        rate, period = self._config.learning_rate, self._config.policy_period
        adam = protocol.Adam(beta_1=self._config.beta_1)
        critics, actor = self._critics.trainable_variables, self.policy.trainable_variables
        return [
            protocol.ParameterGroup("critic", critics, rate, optimizer=adam),
            protocol.ParameterGroup("actor", actor, rate, period, adam),
            protocol.ParameterGroup("alpha", (self._log_alpha,), rate, period),
        ]

    def keep_statistics(self, step: tf.Tensor, statistics: dict[str, Any]) -> None:
        """The running statistics of each network move whenever its parameters do."""
        rate = self._config.statistics_rate
        self._critics.follow(statistics["critics"], rate)
        self._critic_updates.assign_add(1)

        def follow_actor() -> None:
            self.policy.follow(statistics["actor"], rate)
            self._actor_updates.assign_add(1)

        is_due = tf.equal(tf.math.floormod(step, self._config.policy_period), 0)
        graphs.do_if(is_due, follow_actor)

    def on_purpose(self) -> Collection[str]:
        """The statistics that normalise a transition are of all of its batch."""
        return ("pairs_transitions",)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class; all by the running statistics, as the policy acts."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        s, alpha = transitions.observation, tf.exp(self._log_alpha)
        action, log_prob = self.policy(s).experimental_sample_and_log_prob(seed=seeds[0])
        next_action, next_log_prob = self._next_action(transitions, seeds[1])
        next_q = self._critics(transitions.next_observation, next_action)
        error = self._target(transitions, next_q, next_log_prob) - self._critics(
            s, transitions.action
        )
        return soft_actor_critic.metrics(error, self._critics(s, action), log_prob, alpha)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """The lower of the critics' Q of the policy's mode, float32 [B]."""
        q = self._critics(observation, self.policy(observation).mode())
        return tf.reduce_min(q, axis=0)


def _counter(name: str) -> tf.Variable:
    # int64: variables of int32 stay on the CPU.
    return tf.Variable(0, dtype=tf.int64, trainable=False, name=name)
