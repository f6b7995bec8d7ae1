"""MEow as an agent: one flow and two shifts, their targets, and the batch through the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import protocol, targets
from quinoa.agents.meow import config as meow_config
from quinoa.agents.meow import loss as meow_loss
from quinoa.agents.meow.networks import TwinShifts, make_log_stddev, make_policy
from quinoa.agents.policies import squash
from quinoa.agents.policies.gaussian_flow import GaussianFlowPolicy, log_normalizer
from quinoa.agents.temperature import Temperature
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """Q_i is α times the energy of a flow, plus b_i; V_i is its soft maximum, in closed form.

    The targets have no couplings: V depends on the deviations and the shifts alone.
    """

    Config = meow_config.Config
    policy: GaussianFlowPolicy

    def __init__(self, config: meow_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="meow")
        self._config: meow_config.Config = config
        sizes = (spec.observations.shape[0], spec.actions.shape[0])
        self.policy = self.make_policy(config, spec)
        self._target_log_stddev = make_log_stddev(config, *sizes)
        self._shifts, self._target_shifts = (
            TwinShifts(sizes[0], config.hidden_sizes, layer_norm=config.shift_layer_norm, name=name)
            for name in ("shifts", "target_shifts")
        )
        targets.copy(*self._online_and_target())
        target_entropy = config.target_entropy * spec.actions.shape[0]
        self._alpha = Temperature(config.alpha, config, target_entropy, name="alpha")

    @staticmethod
    def make_policy(config: meow_config.Config, spec: specs.EnvironmentSpec) -> GaussianFlowPolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """The error of Q with dropout from a target without, as in the authors' code.

        There each of the two Q_i has a dropout of its own; here they share one, which halves the
        work of the couplings, the only networks that have it.
        """
        flow = self.policy.with_dropout(transitions.observation, self._config.dropout, seed)
        q = meow_loss.shifted(
            flow.energy(transitions.action),
            self._shifts(transitions.observation),
            self._alpha(),
        )
        return {
            "td": meow_loss.loss(q, self._target(transitions)),
            **self._alpha.losses(self.policy, transitions.observation, seed),
        }

    def _target(self, transitions: Transition) -> tf.Tensor:
        """What both Q_i are to be, float32 [B]."""
        next_s = transitions.next_observation
        next_values = meow_loss.shifted(
            log_normalizer(self._target_log_stddev(next_s)),
            self._target_shifts(next_s),
            self._alpha(),
        )
        discount = self._config.discount * transitions.discount
        return meow_loss.target_q(transitions.reward, discount, next_values)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        variables = (*self.policy.trainable_variables, *self._shifts.trainable_variables)
        rate = self._config.learning_rate
        return [
            protocol.ParameterGroup("td", variables, rate),
            *self._alpha.parameter_groups(rate),
        ]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """The targets move smoothly at every step."""
        del step, transitions, seed
        targets.smooth(*self._online_and_target(), self._config.target_rate)

    def _online_and_target(self) -> tuple[targets.Variables, targets.Variables]:
        return (
            (*self.policy.log_stddev.variables, *self._shifts.variables),
            (*self._target_log_stddev.variables, *self._target_shifts.variables),
        )

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """The lower of V_1 and V_2, float32 [B]."""
        normalizer = log_normalizer(self.policy.log_stddev(observation))
        values = meow_loss.shifted(normalizer, self._shifts(observation), self._alpha())
        return tf.reduce_min(values, axis=0)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class; without dropout, as where it acts."""
        s, alpha = transitions.observation, self._alpha()
        flow, shifts = self.policy(s), self._shifts(s)
        q = meow_loss.shifted(flow.energy(transitions.action), shifts, alpha)
        action = flow.sample(seed=seed)
        return {
            "td_error": tf.reduce_mean(tf.abs(self._target(transitions) - q)),
            "value": tf.reduce_mean(self.value(s)),
            "entropy": -tf.reduce_mean(flow.log_prob(action)),
            "log_stddev": tf.reduce_mean(self.policy.log_stddev(s)),
            "shift_difference": tf.reduce_mean(tf.abs(shifts[0] - shifts[1])),
            "clipped_actions": squash.clipped_share(action),
            **self._alpha.metrics(),
        }
