"""NAF as an agent: its networks, and the batch taken through the one loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol, targets
from quinoa.agents.naf import config as naf_config
from quinoa.agents.naf import loss as naf_loss
from quinoa.agents.naf.networks import PrecisionFactor
from quinoa.agents.policies import DeterministicPolicy, make_deterministic_policy
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """NAF (Algorithm 1 of the paper); the noise is the actors'.

    The paper's one network with three outputs is three networks here, so that actors get what they
    act with alone.
    """

    Config = naf_config.Config
    policy: DeterministicPolicy

    def __init__(self, config: naf_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="naf")
        self._config: naf_config.Config = config
        observation_size, action_size = spec.observations.shape[0], spec.actions.shape[0]
        sizes, norm = config.hidden_sizes, config.layer_norm
        self.policy = self.make_policy(config, spec)
        self._factor = PrecisionFactor(observation_size, action_size, sizes, layer_norm=norm)
        self._value, self._target_value = (
            networks.Value(observation_size, sizes, layer_norm=norm) for _ in range(2)
        )
        targets.copy(self._value.variables, self._target_value.variables)

    @staticmethod
    def make_policy(config: naf_config.Config, spec: specs.EnvironmentSpec) -> DeterministicPolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_deterministic_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        q = self._value(transitions.observation) + self._advantage(transitions)
        return {"td": naf_loss.loss(q, self._target(transitions))}

    def _advantage(self, transitions: Transition) -> tf.Tensor:
        """A(s, a), float32 [B]."""
        s = transitions.observation
        best, factor = self.policy.action(s), self._factor(s)
        return naf_loss.advantage(transitions.action, best, factor)

    def _target(self, transitions: Transition) -> tf.Tensor:
        """What Q is to be, float32 [B]."""
        next_value = self._target_value(transitions.next_observation)
        discount = self._config.discount * transitions.discount
        return naf_loss.target_q(transitions.reward, discount, next_value)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        modules = (self.policy, self._value, self._factor)
        variables = tuple(each for module in modules for each in module.trainable_variables)
        return [protocol.ParameterGroup("td", variables, self._config.learning_rate)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """The target moves smoothly at every step."""
        del step, transitions, seed
        online, target = self._value.variables, self._target_value.variables
        targets.smooth(online, target, self._config.target_rate)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        del seed
        value, advantage = self._value(transitions.observation), self._advantage(transitions)
        return {
            "td_error": tf.reduce_mean(tf.abs(self._target(transitions) - value - advantage)),
            "value": tf.reduce_mean(value),
            "advantage": tf.reduce_mean(advantage),
        }

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """V(s), float32 [B]: Q of the best action."""
        return self._value(observation)
