"""DQN as an agent: its networks, the batch taken through the loss, and the schedule of ε."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import between, protocol, targets
from quinoa.agents.dqn import config as dqn_config
from quinoa.agents.dqn import loss as dqn_loss
from quinoa.agents.observations import observation_set
from quinoa.agents.policies import EpsilonGreedyPolicy
from quinoa.agents.types import STATES_BETWEEN, WEIGHTS_BETWEEN, Seed, Transition

_OPTIMIZERS = {
    "adam": protocol.Adam(),
    # That of MinAtar's DQN, whose code names a momentum and does not use it.
    "rmsprop": protocol.RMSProp(decay=0.95, epsilon=0.01, centered=True),
}


class Agent(protocol.Agent):
    """DQN with the standard backup or a soft one, double or not."""

    Config = dqn_config.Config

    def __init__(self, config: dqn_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="dqn")
        self._config: dqn_config.Config = config
        self.policy: EpsilonGreedyPolicy = self.make_policy(config, spec)
        self._target = self.make_policy(config, spec)
        targets.copy(self.policy.variables, self._target.variables)

    @staticmethod
    def check_spec(spec: specs.EnvironmentSpec) -> None:
        """See the base class."""
        protocol.check_spec(
            spec,
            actions=protocol.FiniteSet,
            observations=(protocol.Vector, protocol.Image),
        )

    @staticmethod
    def make_policy(config: dqn_config.Config, spec: specs.EnvironmentSpec) -> EpsilonGreedyPolicy:
        """See the base class.

        Raises:
            SpecError: a target has states between s and s', and observations are images.
        """
        Agent.check_spec(spec)
        if config.has_states_between:
            setting = f"n_step = {config.n_step} with backup = {config.backup!r}"
            between.check_spec(spec, setting, "the backup 'standard'")
        return EpsilonGreedyPolicy(
            observation_set(spec.observations),
            spec.actions.num_values,
            hidden_sizes=config.hidden_sizes,
            epsilon=config.epsilon_start,
            layer_norm=config.layer_norm,
            residual=config.network == "simba",
            convolutions=config.convolutions,
        )

    @staticmethod
    def extras_spec(
        config: dqn_config.Config, spec: specs.EnvironmentSpec
    ) -> Mapping[str, specs.Array]:
        """See the base class: replay adds the states between, where a target is made of them."""
        if not config.has_states_between:
            return {}
        return between.extras_spec(spec, config.n_step, (STATES_BETWEEN, WEIGHTS_BETWEEN))

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        q, target = self._q_and_target(transitions)
        return {"td": dqn_loss.loss(q, target, self._config.huber_delta)}

    def _q_and_target(self, transitions: Transition) -> tuple[tf.Tensor, tf.Tensor]:
        config, (s, a, r, d, next_s, *_) = self._config, transitions
        next_q = self._target.q(next_s)
        chooser = self.policy.q(next_s) if config.double else next_q
        next_value = self._value_of(next_q, chooser)
        if config.has_states_between:
            r += self._bonus_between(transitions)
        target = dqn_loss.target_q(r, config.discount * d, next_value)
        return dqn_loss.chosen(self.policy.q(s), a), tf.stop_gradient(target)

    def _bonus_between(self, transitions: Transition) -> tf.Tensor:
        """What the policy of the target's values gets between s and s', float32 [B] (Eq. 46)."""
        states, weights = (transitions.extras[of] for of in (STATES_BETWEEN, WEIGHTS_BETWEEN))
        network = self.policy if self._config.double else self._target
        chooser = network.q(tf.reshape(states, [-1, *states.shape[2:]]))
        entropies = tf.reshape(dqn_loss.entropy(chooser, self._config.tau), tf.shape(weights))
        log_reference = -math.log(chooser.shape[-1]) if self._config.backup == "kl" else 0.0
        return dqn_loss.bonus_between(entropies, weights, log_reference, self._config.tau)

    def _value_of(self, q: tf.Tensor, chooser: tf.Tensor) -> tf.Tensor:
        """V(s), float32 [B], of the Q(s, ·) in `q`, for what is best by those in `chooser`."""
        config = self._config
        if config.backup == "standard":
            return dqn_loss.standard_value(q, chooser)
        if config.double:
            soft_value = dqn_loss.double_soft_value(q, chooser, config.tau)
        else:
            soft_value = dqn_loss.soft_value(q, config.tau)
        if config.backup == "entropy":
            return soft_value
        return dqn_loss.kl_value(soft_value, q.shape[-1], config.tau)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        variables, config = self.policy.trainable_variables, self._config
        optimizer = _OPTIMIZERS[config.optimizer]
        return [protocol.ParameterGroup("td", variables, config.learning_rate, optimizer=optimizer)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """Copies Q to its target when that is due, and moves ε."""
        del transitions, seed
        online, target = self.policy.variables, self._target.variables
        targets.periodic(online, target, self._config.target_period, step)
        self.policy.epsilon.assign([self._epsilon_after(step)])

    def _epsilon_after(self, step: tf.Tensor) -> tf.Tensor:
        """ε once so many gradient steps, an integer [], are done; float32 []."""
        config = self._config
        left = tf.maximum(1.0 - tf.cast(step, tf.float32) / config.epsilon_steps, 0.0)
        return config.epsilon_end + (config.epsilon_start - config.epsilon_end) * left

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """See the base class: what the backup makes of Q(s, ·)."""
        q = self.policy.q(observation)
        return self._value_of(q, q)

    def action_values(self, observation: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return self.policy.q(observation)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        q, target = self._q_and_target(transitions)
        return {
            "td_error": tf.reduce_mean(tf.abs(target - q)),
            "value": tf.reduce_mean(self.value(transitions.observation)),
            "epsilon": self.policy.epsilon[0],
        }
