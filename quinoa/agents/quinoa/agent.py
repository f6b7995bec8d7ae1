"""Quinoa as an agent: Algorithm 2, with the schedules of the prior, the value and α."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import graphs, protocol, targets, values
from quinoa.agents.policies import make_flow_policy, squash
from quinoa.agents.quinoa import config as quinoa_config
from quinoa.agents.quinoa import loss as quinoa_loss
from quinoa.agents.quinoa import temperature
from quinoa.agents.quinoa.networks import Value
from quinoa.agents.source import Source
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """The Q-function is V(s) + α (log π(a|s) − log π̃(a|s)), and nothing else.

    π̃ ∝ π_k^ρ · u^(1−ρ), where π_k is the policy at the last multiple of `prior_period` and u the
    uniform density. The normaliser depends on the state alone, so V takes it up: in what follows
    log π̃ is without it, and V is the soft value plus α times its logarithm, which is 0 at ρ = 1
    and wherever π_k is uniform.
    """

    Config = quinoa_config.Config

    def __init__(self, config: quinoa_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="quinoa")
        action_size = spec.actions.shape[0]
        self._config: quinoa_config.Config = config
        self.policy = self.make_policy(config, spec)
        self._copied_policy = self.make_policy(config, spec)
        self._value, self._target_value = (self._make_value() for _ in range(2))
        # The others have a name of their own, so that one alone has it in checkpoints as ever.
        self._more_values, self._more_target_values = (
            [self._make_value() for _ in range(config.num_values - 1)] for _ in range(2)
        )
        self._alpha = tf.Variable(config.alpha, trainable=False, name="alpha")
        self._learning_rate = tf.Variable(
            config.learning_rate, trainable=False, name="learning_rate"
        )
        # log u of the uniform density on the box.
        self._log_uniform = -action_size * math.log(2.0)
        # KL of π from π̃ at the end of the last period.
        self._kl = tf.Variable(0.0, trainable=False, name="kl")
        # How many actions of the dual counted: all, where π is π_k. Nothing that is learned depends
        # on it: it is behind a function, where checkpoints do not find it, so that they have the
        # variables they had. A resumed run measures it when π̃ next moves.
        effective_actions = tf.Variable(float(config.num_dual_actions), trainable=False)
        self._effective_actions: Callable[[], tf.Variable] = lambda: effective_actions
        self._copy_all()

    def _make_value(self) -> Value:
        return Value(self._spec.observations.shape[0], self._config.hidden_sizes)

    def _value_variables(self) -> tuple[tf.Variable, ...]:
        return values.variables_of(self._value, *self._more_values)

    def _target_value_variables(self) -> tuple[tf.Variable, ...]:
        return values.variables_of(self._target_value, *self._more_target_values)

    @classmethod
    def make_source(
        cls,
        config: quinoa_config.Config,
        spec: specs.EnvironmentSpec,
        *,
        num_environments: int,
        steps_per_call: int,
    ) -> Source:
        """See the base class; what cannot be learned with is refused, and can still be looked at.

        Raises:
            ConfigError: ε is more than the actions of the dual can measure, besides the base
                class's.
        """
        total = config.epsilon * spec.actions.shape[0]
        # One expectation over the batch is over the actions of all its states.
        num_states = config.batch_size if config.dual == "batch" else 1
        number = "batch_size · num_dual_actions" if config.dual == "batch" else "num_dual_actions"
        protocol.require(
            config.dual == "none"
            or total < temperature.largest_kl(num_states * config.num_dual_actions),
            "epsilon",
            config.epsilon,
            f"below log({number} / 2) / {spec.actions.shape[0]} (the action dimensions), "
            "the most KL that so many actions measure: num_dual_actions = "
            f"{math.ceil(2.01 * math.exp(total) / num_states)} would do",
        )
        return super().make_source(
            config, spec, num_environments=num_environments, steps_per_call=steps_per_call
        )

    @staticmethod
    def make_policy(config: quinoa_config.Config, spec: specs.EnvironmentSpec) -> protocol.Policy:
        """See the base class."""
        protocol.check_spec(spec)
        return make_flow_policy(config, spec.observations.shape[0], spec.actions.shape[0])

    def initialize(self, transitions: Transition) -> None:
        """Data-dependent initialisation, after which π is uniform and Q zero (section 4).

        With additive couplings π begins as a wide Gaussian; Q is zero where π̃ is π.
        """
        self.policy.initialize(transitions.observation, transitions.action)
        for value in (self._value, *self._more_values):
            value.initialize(transitions.observation)
        self._copy_all()

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """Algorithm 2, lines 3 and 5 to 7."""
        del seed
        return {"td": quinoa_loss.loss(*self._q_and_target(transitions))}

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        variables = (*self.policy.trainable_variables, *self._value_variables())
        return [protocol.ParameterGroup("td", variables, self._learning_rate.read_value)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """Algorithm 2, lines 4 and 8.

        α changes with π̃ only. Then log π − log π̃ starts anew, at 0 where ρ is 1 and at (1 − ρ)
        times log π/u below, so that a new α changes Q by little or nothing.
        """
        config = self._config
        online, target = self._value_variables(), self._target_value_variables()
        if config.value_period:
            targets.periodic(online, target, config.value_period, step)
        else:
            targets.smooth(online, target, config.value_rate)
        if config.learning_rate_half_life:
            halvings = tf.cast(step, tf.float32) / config.learning_rate_half_life
            rate = tf.maximum(config.learning_rate * 0.5**halvings, config.learning_rate_min)
            self._learning_rate.assign(rate)
        if config.prior_period:
            due = tf.equal(tf.math.floormod(step, config.prior_period), 0)
            graphs.do_if(due, lambda: self._renew_prior(transitions.observation, seed))

    def kept_in_resets(self) -> Collection[tf.Variable]:
        """See the base class: learning rates that halve go on from where they are."""
        return (self._learning_rate,)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """See the base class: the least of them, as in the target."""
        return values.least(values.stacked(observation, self._value, *self._more_values))

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        q, target = self._q_and_target(transitions)
        policy = self.policy(transitions.observation)
        action = policy.sample(seed=seed)
        log_prob = policy.log_prob(action)
        of_dual = {}
        if self._config.prior_period:
            kl = self._kl.read_value()
            of_dual = {"dual_effective_actions": self._effective_actions().read_value()}
        else:
            kl = tf.reduce_mean(log_prob) - self._log_uniform
        return {
            "td_error": tf.reduce_mean(tf.abs(target - q)),
            "value": tf.reduce_mean(self.value(transitions.observation)),
            "entropy": -tf.reduce_mean(log_prob),
            "kl": kl,
            "alpha": self._alpha.read_value(),
            **of_dual,
            "clipped_actions": squash.clipped_share(action),
            "learning_rate": self._learning_rate.read_value(),
        }

    def _q_and_target(self, transitions: Transition) -> tuple[tf.Tensor, tf.Tensor]:
        s, a, r, d, next_s, *_ = transitions
        q = quinoa_loss.implicit_q(
            self.policy(s).log_prob(a),
            tf.stop_gradient(self._prior_log_prob(self._copied_policy(s).log_prob(a))),
            values.stacked(s, self._value, *self._more_values),
            self._alpha,
        )
        next_values = values.stacked(next_s, self._target_value, *self._more_target_values)
        next_value = values.least(next_values)
        return q, quinoa_loss.target_q(r, self._config.discount * d, next_value)

    def _prior_log_prob(self, copied_log_prob: tf.Tensor) -> tf.Tensor:
        """Log π̃, without its normaliser, from log π_k."""
        rho = self._config.prior_power
        return rho * copied_log_prob + (1.0 - rho) * self._log_uniform

    def _renew_prior(self, observation: tf.Tensor, seed: Seed) -> None:
        self._move_temperature(observation, seed)
        targets.copy(self.policy.variables, self._copied_policy.variables)

    def _move_temperature(self, observation: tf.Tensor, seed: Seed) -> None:
        """Measures the KL that π took from π̃, and moves α to where it would have been ε."""
        config, num_actions = self._config, self._config.num_dual_actions
        # Half of the actions are π_k's, in the place of π̃'s, and half are π's.
        from_policy = num_actions // 2
        seeds = tf.random.experimental.stateless_split(seed, 2)
        action = tf.concat(
            [
                self._copied_policy(observation).sample(num_actions - from_policy, seeds[0]),
                self.policy(observation).sample(from_policy, seeds[1]),
            ],
            axis=0,
        )
        action = tf.reshape(tf.transpose(action, [1, 0, 2]), [-1, action.shape[-1]])
        states = tf.repeat(observation, num_actions, axis=0)
        copied_log_prob = self._copied_policy(states).log_prob(action)
        policy_log_prob = self.policy(states).log_prob(action)
        drawn_log_prob = temperature.mixture_log_prob(
            copied_log_prob, policy_log_prob, from_policy / num_actions
        )
        prior_log_prob = self._prior_log_prob(copied_log_prob)
        log_ratio = tf.reshape(policy_log_prob - prior_log_prob, [-1, num_actions])
        log_weights = tf.reshape(prior_log_prob - drawn_log_prob, [-1, num_actions])
        self._kl.assign(temperature.mean_kl(log_ratio, tf.constant(1.0), log_weights))
        q = self._alpha * log_ratio
        if config.dual == "batch":
            # Weights with the normaliser that log π̃ is without: every state counts as much.
            log_weights = tf.reshape(tf.nn.log_softmax(log_weights), [1, -1])
            q = tf.reshape(q + self.value(observation)[:, None], [1, -1])
        if config.dual != "none":
            epsilon = config.epsilon * action.shape[-1]
            # No root, or no spread of Q, gives a tiny or no α, which the bounds limit.
            wanted = tf.math.log(tf.maximum(temperature.solve(q, epsilon, log_weights), 1e-30))
            change = config.max_alpha_change
            move = tf.clip_by_value(wanted - tf.math.log(self._alpha), -change, change)
            alpha = self._alpha * tf.exp(move)
            self._alpha.assign(tf.clip_by_value(alpha, config.alpha_min, config.alpha_max))
        effective = temperature.effective_actions(q, self._alpha.read_value(), log_weights)
        self._effective_actions().assign(effective)

    def _copy_all(self) -> None:
        targets.copy(self.policy.variables, self._copied_policy.variables)
        targets.copy(self._value_variables(), self._target_value_variables())
