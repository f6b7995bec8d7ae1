"""Soft Q-learning as an agent: its networks, and the batch taken through the two losses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf
from acme import specs

from quinoa.agents import networks, protocol, targets
from quinoa.agents.policies import SamplerPolicy, squash
from quinoa.agents.sql import config as sql_config
from quinoa.agents.sql import loss as sql_loss
from quinoa.agents.sql import proposals
from quinoa.agents.types import Seed, Transition


class Agent(protocol.Agent):
    """Soft Q-learning with an amortised SVGD sampler (Algorithm 1 of the paper).

    The sampler works in y = atanh(a), on all of R^A, where exp(Q/α) on the box becomes
    exp(Q(s, tanh y)/α) times the slope of tanh. On the box itself Stein's identity would not hold,
    as a density that does not vanish at its edges pushes particles there.
    """

    Config = sql_config.Config
    policy: SamplerPolicy

    def __init__(self, config: sql_config.Config, spec: specs.EnvironmentSpec):
        """See the base class."""
        super().__init__(config, spec, name="sql")
        self._config: sql_config.Config = config
        self._action_size = spec.actions.shape[0]
        sizes = (spec.observations.shape[0], self._action_size, config.hidden_sizes)
        self.policy = self.make_policy(config, spec)
        self._q, self._target_q = (
            networks.ActionValue(*sizes, name=name) for name in ("q", "target_q")
        )
        targets.copy(self._q.variables, self._target_q.variables)
        self._steps = _counter("steps")
        # The sampler's since it was last new; without resets these are all steps.
        self._fresh_steps = _counter("fresh_steps") if config.reset_period else self._steps

    @staticmethod
    def make_policy(config: sql_config.Config, spec: specs.EnvironmentSpec) -> SamplerPolicy:
        """See the base class."""
        protocol.check_spec(spec)
        return SamplerPolicy(
            spec.observations.shape[0],
            spec.actions.shape[0],
            hidden_sizes=config.hidden_sizes,
            noise_set_size=config.noise_set_size,
        )

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        q = self._q(transitions.observation, transitions.action)
        return {
            "q": sql_loss.q_loss(q, self._target(transitions, seeds[0])),
            "sampler": self._sampler_loss(transitions.observation, seeds[1]),
        }

    def _alpha(self) -> tf.Tensor:
        """α, float32 []."""
        config = self._config
        if not config.final_alpha:
            return tf.constant(config.alpha)
        return config.alpha * tf.pow(config.final_alpha / config.alpha, self._annealed())

    def _annealed(self) -> tf.Tensor:
        """How much of `alpha_steps` is over, float32 [], from 0 to 1."""
        return tf.minimum(tf.cast(self._steps, tf.float32) / self._config.alpha_steps, 1.0)

    def _target(self, transitions: Transition, seed: Seed) -> tf.Tensor:
        """What Q is to be, float32 [B]."""
        next_value = self._soft_value(self._target_q, transitions.next_observation, seed)
        discount = self._config.discount * transitions.discount
        return sql_loss.target_q(transitions.reward, discount, next_value)

    def _soft_value(self, q: networks.ActionValue, observation: tf.Tensor, seed: Seed) -> tf.Tensor:
        """V(s) by proposals, uniform ones at first and then those of the sampler, float32 [B]."""
        count, size = self._config.num_value_samples, self._action_size
        action, log_proposal = tf.cond(
            self._fresh_steps < self._config.uniform_steps,
            lambda: proposals.uniform(tf.shape(observation)[0], count, size, seed),
            lambda: proposals.sampled(self.policy, observation, count, seed),
        )
        action = tf.ensure_shape(action, [None, count, size])
        values = self._of_each(q, observation, action)
        return tf.stop_gradient(sql_loss.soft_value(values, log_proposal, self._alpha()))

    def _of_each(
        self, q: networks.ActionValue, observation: tf.Tensor, action: tf.Tensor
    ) -> tf.Tensor:
        """Q of several actions in each state, float32 [B, N], for actions float32 [B, N, A]."""
        number = action.shape[1]
        flat = tf.reshape(action, [-1, self._action_size])
        return tf.reshape(q(tf.repeat(observation, number, axis=0), flat), [-1, number])

    def _sampler_loss(self, observation: tf.Tensor, seed: Seed) -> tf.Tensor:
        number, alpha = self._config.num_particles, self._alpha()
        drawn = self.policy.draw(observation, 2 * number, seed)
        particles, moved = tf.stop_gradient(drawn[:, :number]), drawn[:, number:]
        with tf.GradientTape() as tape:
            tape.watch(particles)
            # −α times the energy in y.
            value = self._of_each(self._q, observation, squash.tanh(particles))
            value += alpha * tf.reduce_sum(squash.log_slope(particles), axis=-1)
        gradient = tape.gradient(value, particles)
        direction = sql_loss.stein_direction(
            particles, moved, gradient, alpha, repels=not self._config.map_policy
        )
        return sql_loss.sampler_loss(direction, moved)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        """See the base class."""
        rate, sampler_rate = self._config.learning_rate, self._config.sampler_learning_rate
        return [
            protocol.ParameterGroup("q", self._q.trainable_variables, rate),
            protocol.ParameterGroup("sampler", self.policy.trainable_variables, sampler_rate),
        ]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        """The target is copied once in a period, and the set of noise shrinks."""
        del transitions, seed
        self._steps.assign(step)
        if self._fresh_steps is not self._steps:
            self._fresh_steps.assign_add(1)
        if self.policy.set_size is not None:
            dropped = tf.floor(self._annealed() * (self._config.noise_set_size - 1))
            self.policy.set_size.assign([self._config.noise_set_size - dropped])
        online, target = self._q.variables, self._target_q.variables
        targets.periodic(online, target, self._config.target_period, step)

    def kept_in_resets(self) -> Collection[tf.Variable]:
        """See the base class: α and the set of noise go on from where they are."""
        return (self._steps,)

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        seeds = tf.random.experimental.stateless_split(seed, 3)
        s = transitions.observation
        error = self._target(transitions, seeds[0]) - self._q(s, transitions.action)
        count = self._config.num_value_samples
        _, log_prob = proposals.sampled(self.policy, s, count, seeds[1])
        return {
            "td_error": tf.reduce_mean(tf.abs(error)),
            "value": tf.reduce_mean(self._soft_value(self._q, s, seeds[2])),
            "entropy": -tf.reduce_mean(log_prob),
            "alpha": self._alpha(),
        }

    def action_value(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return self._q(observation, action)

    def value(self, observation: tf.Tensor) -> tf.Tensor:
        """V(s) by uniform actions, the same in all states, float32 [B]."""
        count, size = self._config.num_value_samples, self._action_size
        action, log_proposal = proposals.uniform(1, count, size, tf.constant([0, 0]))
        action = tf.tile(action, [tf.shape(observation)[0], 1, 1])
        values = self._of_each(self._q, observation, action)
        return sql_loss.soft_value(values, log_proposal, self._alpha())


def _counter(name: str) -> tf.Variable:
    # int64: variables of int32 stay on the CPU.
    return tf.Variable(0, dtype=tf.int64, trainable=False, name=name)
