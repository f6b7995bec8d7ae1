"""IQ as an agent: networks, targets, and the batch taken through the loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf
from acme import specs

from quinoa.agents import between, networks, protocol, targets, values
from quinoa.agents.actions import action_set
from quinoa.agents.categorical_value import Bins, CategoricalValue
from quinoa.agents.iq import config as iq_config
from quinoa.agents.iq import loss as iq_loss
from quinoa.agents.observations import observation_set
from quinoa.agents.policies import (
    AutoregressivePolicy,
    MultiCategoricalPolicy,
    TanhGaussianPolicy,
    categorical_policy,
    make_flow_policy,
    squash,
)
from quinoa.agents.temperature import Temperature
from quinoa.agents.types import (
    ACTIONS_BETWEEN,
    STATES_BETWEEN,
    WEIGHTS_BETWEEN,
    Seed,
    Transition,
)
from quinoa.config.fields import require


class _Terms(NamedTuple):
    """What the losses of a batch are made of.

    Attributes:
        q: Q_i(s, a) of each value, float32 [N, B].
        target: Eq. 2's, float32 [B].
        value_target: what V(s) is to be where the policy stays, float32 [B]: the target less
            τ ln π(a|s).
        logits: of the bins of each V(s), float32 [N, B, K]; None where V is a number.
    """

    q: tf.Tensor
    target: tf.Tensor
    value_target: tf.Tensor
    logits: tf.Tensor | None


class Agent(protocol.Agent):
    """IQ and M-IQ (target V), PCL and Trust-PCL (online V)."""

    Config = iq_config.Config

    def __init__(self, config: iq_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec)
        self.policy = self.make_policy(config, spec)
        low, high = config.value_low, config.value_limit
        low = -high if low is None else low
        self._bins = Bins(config.value_bins, low, high) if config.value_bins else None
        self._value, self._target_value = (self._make_value() for _ in range(2))
        self._target_policy = self.make_policy(config, spec)
        targets.copy(self.policy.variables, self._target_policy.variables)
        # The others have a name of their own, so that one alone has it in checkpoints as ever.
        self._more_values, self._more_target_values = (
            [self._make_value() for _ in range(config.num_values - 1)] for _ in range(2)
        )
        targets.copy(self._value_variables(), self._target_value_variables())
        self._tau = Temperature(config.tau, config, self._target_entropy(), name="tau")

    def _target_entropy(self) -> float:
        """H̄ of whole actions: of a density, or of a mass, which is as far below the uniform one."""
        config: iq_config.Config = self._config
        actions = action_set(self._spec.actions)
        if not isinstance(actions, protocol.Box):
            require(
                not config.adaptive_temperature,
                "adaptive_temperature",
                True,
                f"false for actions from finite sets, as here: {actions}",
            )
            return 0.0
        is_mass = config.policy in ("multicategorical", "autoregressive")
        of_uniform = math.log(config.num_bins / 2.0) if is_mass else 0.0
        target = config.target_entropy + of_uniform
        require(
            target > 0 or not is_mass or not config.adaptive_temperature,
            "target_entropy",
            config.target_entropy,
            f"above {-of_uniform:.2f} with num_bins = {config.num_bins}: no policy of bins "
            "has as little entropy, and the temperature would fall for ever",
        )
        return target * actions.size

    def _make_value(self) -> networks.Value | CategoricalValue:
        config = self._config
        make: Callable[..., networks.Value | CategoricalValue] = networks.Value
        if self._bins is not None:
            make = functools.partial(CategoricalValue, bins=self._bins)
        return make(
            observation_set(self._spec.observations),
            config.hidden_sizes,
            layer_norm=config.layer_norm,
            convolutions=config.convolutions,
            residual=config.network == "simba",
        )

    def _value_variables(self) -> tuple[tf.Variable, ...]:
        return values.variables_of(self._value, *self._more_values)

    def _target_value_variables(self) -> tuple[tf.Variable, ...]:
        return values.variables_of(self._target_value, *self._more_target_values)

    def _values(self, observation: tf.Tensor) -> tf.Tensor:
        """V_i(s), float32 [N, B]."""
        return values.stacked(observation, self._value, *self._more_values)

    def _target_values(self, observation: tf.Tensor) -> tf.Tensor:
        """V̄_i(s), float32 [N, B]."""
        return values.stacked(observation, self._target_value, *self._more_target_values)

    @staticmethod
    def check_spec(spec: specs.EnvironmentSpec) -> None:
        """See the base class: it takes boxes and finite sets, and images with finite sets."""
        protocol.check_spec(
            spec,
            actions=(protocol.Box, protocol.FiniteSet, protocol.FiniteProduct),
            observations=protocol.images_of_finite_sets(spec),
        )

    @staticmethod
    def make_policy(config: iq_config.Config, spec: specs.EnvironmentSpec) -> protocol.Policy:
        """See the base class. On finite sets, `multicategorical` is one softmax over each.

        Raises:
            SpecError: the policy is one for a box, and the actions are finite sets.
        """
        Agent.check_spec(spec)
        observations, actions = observation_set(spec.observations), action_set(spec.actions)
        if config.path_consistency:
            between.check_spec(spec, "path_consistency = true", "path_consistency at false")
        hidden_sizes, layer_norm = config.hidden_sizes, config.layer_norm
        residual = config.network == "simba"
        if not isinstance(actions, protocol.Box):
            if config.policy != "multicategorical":
                raise protocol.SpecError(
                    f"policy = {config.policy!r} is for actions from a box, but the environment's "
                    f"actions are {actions}: with policy = 'multicategorical' this agent takes "
                    "finite sets too."
                )
            return categorical_policy(
                observations,
                actions,
                hidden_sizes=hidden_sizes,
                layer_norm=layer_norm,
                convolutions=config.convolutions,
                residual=residual,
            )
        sizes = (spec.observations.shape[0], actions.size)
        if config.policy == "flow":
            return make_flow_policy(config, *sizes)
        if config.policy == "gaussian":
            return TanhGaussianPolicy(
                *sizes, hidden_sizes=hidden_sizes, layer_norm=layer_norm, residual=residual
            )
        if config.policy == "autoregressive":
            return AutoregressivePolicy(
                *sizes,
                hidden_sizes=hidden_sizes,
                num_bins=config.num_bins,
                num_units=config.autoregressive_units,
                layer_norm=layer_norm,
                residual=residual,
                deterministic_action=config.deterministic_action,
            )
        return MultiCategoricalPolicy(
            *sizes,
            hidden_sizes=hidden_sizes,
            num_bins=config.num_bins,
            layer_norm=layer_norm,
            residual=residual,
            deterministic_action=config.deterministic_action,
        )

    @staticmethod
    def extras_spec(
        config: iq_config.Config, spec: specs.EnvironmentSpec
    ) -> Mapping[str, specs.Array]:
        """See the base class: replay adds what lies between, where a target is made of it."""
        if not config.path_consistency:
            return {}
        return between.extras_spec(spec, config.n_step)

    def initialize(self, transitions: Transition) -> None:
        """See the base class."""
        if self._config.policy == "flow":
            self.policy.initialize(transitions.observation, transitions.action)
            targets.copy(self.policy.variables, self._target_policy.variables)

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        terms = self._terms(transitions)
        losses = {"td": iq_loss.loss(terms.q, terms.target)}
        if self._bins is not None:
            losses["value"] = self._bins.loss(terms.logits, terms.value_target)
        return {**losses, **self._tau.losses(self.policy, transitions.observation, seed)}

    def _terms(self, transitions: Transition) -> _Terms:
        config, tau, (s, a, r, d, next_s, *_) = self._config, self._tau(), transitions
        log_prob = self.policy(s).log_prob(a)
        if self._bins is None:
            logits, own_values = None, self._values(s)
        else:
            each = (value.logits for value in (self._value, *self._more_values))
            logits = values.stacked(s, *each)
            own_values = self._bins.mean(logits)
        q = iq_loss.implicit_q(log_prob, own_values, tau)
        next_values = self._target_values(next_s) if config.target_value else self._values(next_s)
        target_log_prob = 0.0
        if config.alpha:
            target_log_prob = tf.stop_gradient(self._target_policy(s).log_prob(a))
        if config.path_consistency:
            r += self._path_rewards(transitions)
        target = iq_loss.target_q(
            r,
            config.discount * d,
            values.least(next_values),
            target_log_prob,
            tau,
            config.alpha,
        )
        target = tf.stop_gradient(target) if config.target_value else target
        return _Terms(q, target, target - tau * log_prob, logits)

    def _path_rewards(self, transitions: Transition) -> tf.Tensor:
        """What joins the rewards between s and s', float32 [B]."""
        config = self._config
        states, actions, weights = (
            transitions.extras[of] for of in (STATES_BETWEEN, ACTIONS_BETWEEN, WEIGHTS_BETWEEN)
        )
        states = tf.reshape(states, [-1, *states.shape[2:]])
        actions = tf.reshape(actions, [-1, *actions.shape[2:]])
        actions = tf.cast(actions, transitions.action.dtype)

        def log_prob(policy: protocol.Policy) -> tf.Tensor:
            return tf.reshape(policy(states).log_prob(actions), tf.shape(weights))

        own = log_prob(self._target_policy if config.target_value else self.policy)
        of_target = own
        if config.alpha and not config.target_value:
            of_target = tf.stop_gradient(log_prob(self._target_policy))
        return iq_loss.path_rewards(own, of_target, weights, self._tau(), config.alpha)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class: one loss trains both, but where V is categorical."""
        of_policy, of_values = self.policy.trainable_variables, self._value_variables()
        rate = self._config.learning_rate
        groups = [protocol.ParameterGroup("td", (*of_policy, *of_values), rate)]
        if self._bins is not None:
            groups = [
                protocol.ParameterGroup("td", of_policy, rate),
                protocol.ParameterGroup("value", of_values, rate),
            ]
        return [*groups, *self._tau.parameter_groups(rate)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """Both targets move smoothly at every step (section 6)."""
        del step, transitions, seed
        rate = self._config.target_rate
        targets.smooth(self.policy.variables, self._target_policy.variables, rate)
        targets.smooth(self._value_variables(), self._target_value_variables(), rate)

    def on_purpose(self) -> Collection[str]:
        """PCL's loss is minimised in both V(s) and V(s')."""
        return () if self._config.target_value else ("residual_gradient",)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """See the base class: the least of them, as in the targets."""
        return values.least(self._values(observation))

    def action_values(self, observation: tf.Tensor) -> tf.Tensor | None:
        """See the base class: τ log π(a|s) + V(s) (Eq. 1)."""
        if not isinstance(action_set(self._spec.actions), protocol.FiniteSet):
            return None
        log_probs = tf.nn.log_softmax(self.policy(observation).logits)
        return iq_loss.implicit_q(log_probs, self.value(observation)[:, None], self._tau())

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        terms = self._terms(transitions)
        policy = self.policy(transitions.observation)
        action = policy.sample(seed=seed)
        log_prob = policy.log_prob(action)
        target_log_prob = self._target_policy(transitions.observation).log_prob(action)
        # The bins of a multicategorical policy lie on the edge by design.
        is_flow = self._config.policy == "flow"
        of_flow = {"clipped_actions": squash.clipped_share(action)} if is_flow else {}
        of_bins = {} if self._bins is None else self._bins.metrics(terms.value_target)
        return {
            **of_flow,
            **of_bins,
            "td_error": tf.reduce_mean(tf.abs(terms.target - terms.q)),
            "value": tf.reduce_mean(self.value(transitions.observation)),
            "entropy": -tf.reduce_mean(log_prob),
            "kl": tf.reduce_mean(log_prob - target_log_prob),
            **self._tau.metrics(),
        }
