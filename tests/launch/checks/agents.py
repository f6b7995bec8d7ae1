"""A small agent, right in all that is checked, and others that are each wrong in one thing."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import sonnet as snt
import tensorflow as tf
from acme import specs
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks, protocol, targets
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.registry import LoadedAgent
from quinoa.agents.replay import UniformReplay
from quinoa.agents.rollouts import RolloutMemory
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Memory, Source
from quinoa.agents.types import Seed, Transition
from tests.agents import tiny_discrete, tiny_on_policy


@dataclasses.dataclass(frozen=True)
class Config(protocol.OffPolicyConfig):
    batch_size: int = 8


class Good(protocol.Agent):
    """Values by temporal differences, and a policy that imitates what was rewarded."""

    Config = Config

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self.policy = self.make_policy(config, spec)
        size = spec.observations.shape[0]
        self._value, self._target_value = (networks.Value(size, [8]) for _ in range(2))

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
        protocol.check_spec(spec)
        return TanhGaussianPolicy(
            spec.observations.shape[0], spec.actions.shape[0], hidden_sizes=[8]
        )

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        s, a, r, d, next_s, *_ = transitions
        target = tf.stop_gradient(r + self._config.discount * d * self._target_value(next_s))
        return {
            "value": tf.reduce_mean(tf.square(target - self._value(s))),
            "policy": -tf.reduce_mean(tf.exp(r) * self.policy(s).log_prob(a)),
        }

    def parameter_groups(self) -> list[protocol.ParameterGroup]:
        return [
            protocol.ParameterGroup("value", self._value.trainable_variables, 1e-3),
            protocol.ParameterGroup("policy", self.policy.trainable_variables, 1e-3),
        ]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        targets.periodic(self._value.variables, self._target_value.variables, 1000, step)

    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {"value": tf.reduce_mean(self._value(transitions.observation))}


class DelayedBesideFixed(Good):
    """Right too: everything moves less often than usual, and what is named `fixed` never does."""

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self._fixed_features = networks.Value(spec.observations.shape[0], [8])

    def parameter_groups(self) -> list[protocol.ParameterGroup]:
        value, policy = super().parameter_groups()
        return [value._replace(period=100), policy._replace(period=2)]

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        targets.periodic(self._value.variables, self._target_value.variables, 1009, step)


def loaded(agent_class: type[protocol.Agent], config: Any = None) -> LoadedAgent:
    """An agent as the registry would have it."""
    config = agent_class.Config() if config is None else config
    return LoadedAgent(agent_class.__name__, agent_class, type(config), config)


@dataclasses.dataclass(frozen=True)
class _Rounding(Config):
    rate: float = 0.123

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", self.rate / 2)


class ConfigChangesItself(Good):
    Config = _Rounding


@dataclasses.dataclass(frozen=True)
class _Holding(Config):
    layers: Any = dataclasses.field(default_factory=dict)


class ConfigOfAnotherType(Good):
    Config = _Holding


class NoPolicy(Good):
    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        del self.policy


class UncheckedPolicy(Good):
    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
        return TanhGaussianPolicy(spec.observations.shape[-1], 2, hidden_sizes=[8])


class _Wrapped(protocol.Policy):
    """A Gaussian policy, behind what the tests put around it."""

    def __init__(self, observation_size: int, action_size: int):
        super().__init__(name="policy")
        self._network = networks.mlp(observation_size, [action_size], name="network")

    def __call__(self, observation: tf.Tensor) -> Any:
        return tfd.MultivariateNormalDiag(self._network(observation), 3.0 * tf.ones([2]))


class _Separate(_Wrapped):
    def __call__(self, observation: tf.Tensor) -> Any:
        return tfd.Normal(self._network(observation), 1.0)


class _Unclipped(_Wrapped):
    def __call__(self, observation: tf.Tensor) -> Any:
        return tfd.TransformedDistribution(super().__call__(observation), tfb.Tanh())


class _Late(_Wrapped):
    def __init__(self, observation_size: int, action_size: int):
        super().__init__(observation_size, action_size)
        self._more = snt.Linear(action_size)

    def __call__(self, observation: tf.Tensor) -> Any:
        return tfd.MultivariateNormalDiag(self._more(self._network(observation)), tf.ones([2]))


def _with(policy_class: type[_Wrapped]) -> type[Good]:
    class WithPolicy(Good):
        @staticmethod
        def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
            protocol.check_spec(spec)
            return policy_class(spec.observations.shape[0], spec.actions.shape[0])

    return WithPolicy


OutsideTheBox, OneForEachAction, LateVariables = map(_with, (_Wrapped, _Separate, _Late))
Unclipped = _with(_Unclipped)


class _Adding(TanhGaussianPolicy):
    def extras(self, distribution: Any, action: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"log_prob": distribution.log_prob(action)[:, None]}


class UndeclaredExtras(Good):
    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
        protocol.check_spec(spec)
        return _Adding(spec.observations.shape[0], spec.actions.shape[0], hidden_sizes=[8])


class ExtrasOfAnotherShape(UndeclaredExtras):
    @staticmethod
    def extras_spec(config: Any, spec: specs.EnvironmentSpec) -> dict[str, specs.Array]:
        return {"log_prob": specs.Array((), np.float32)}


class _Sampled(protocol.Policy):
    """A network of the state and noise, which knows neither its density nor its mode."""

    has_density = has_mode = False

    def __init__(self, observation_size: int, action_size: int):
        super().__init__(name="policy")
        self._size = action_size
        self._network = networks.mlp(observation_size + action_size, [8, action_size], name="net")

    def __call__(self, observation: tf.Tensor) -> Any:
        return _Draws(self, observation)

    def draw(self, observation: tf.Tensor, seed: Seed) -> tf.Tensor:
        noise = tf.random.stateless_normal([tf.shape(observation)[0], self._size], seed)
        return tf.tanh(self._network(tf.concat([observation, noise], axis=-1)))


class _Draws(NamedTuple):
    policy: _Sampled
    observation: tf.Tensor

    def sample(self, count: int | None = None, *, seed: Seed) -> tf.Tensor:
        if count is None:
            return self.policy.draw(self.observation, seed)
        seeds = tf.random.experimental.stateless_split(seed, count)
        return tf.stack([self.policy.draw(self.observation, one) for one in seeds])


class SampledAlone(Good):
    """No fault: its policy can be sampled alone, and imitates what was rewarded by its samples."""

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
        protocol.check_spec(spec)
        return _Sampled(spec.observations.shape[0], spec.actions.shape[0])

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        s, a, r, d, next_s, *_ = transitions
        target = tf.stop_gradient(r + self._config.discount * d * self._target_value(next_s))
        distance = tf.reduce_sum(tf.square(a - self.policy(s).sample(seed=seed)), axis=-1)
        return {
            "value": tf.reduce_mean(tf.square(target - self._value(s))),
            "policy": tf.reduce_mean(tf.exp(r) * distance),
        }


class _MixedUp(UniformReplay):
    def memory(self, seed: int) -> Memory:
        memory = super().memory(seed)
        sample = memory.sample

        def mixed_up(steps_per_call: int) -> Transition:
            transitions = sample(steps_per_call)
            return transitions._replace(action=transitions.action[:, ::-1])

        memory.sample = mixed_up  # type: ignore[method-assign]
        return memory


class SourceThatMixesUp(Good):
    @classmethod
    def make_source(cls, config: Any, spec: Any, **options: Any) -> Source:
        layout = RowLayout(spec)
        return _MixedUp(config, layout, steps_per_call=options["steps_per_call"])


class _Stale(RolloutMemory):
    """Gives out each batch a step late."""

    def can_sample(self, num_transitions: int) -> bool:
        return super().can_sample(num_transitions) and bool(self.writers_go_on())

    def writers_go_on(self) -> bool:
        for writer in self._writers:
            if not writer._left:
                writer.begin(self._of_each)
        return len(self) > self._batch_size


class StaleRollouts(tiny_on_policy.Agent):
    @classmethod
    def make_source(cls, config: Any, spec: Any, **options: Any) -> Source:
        source = super().make_source(config, spec, **options)

        def memory(seed: int) -> RolloutMemory:
            return _Stale(config, source.layout, options["num_environments"])

        source.memory = memory  # type: ignore[method-assign]
        return source


class Unnormalised(tiny_discrete.Agent):
    """The logits are taken for log-probabilities."""

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Any:
        protocol.check_spec(spec, actions=protocol.FiniteSet)
        return _Unnormalised(config, spec.observations.shape[0], spec.actions.num_values)


class _Unnormalised(tiny_discrete.Policy):
    def __call__(self, observation: tf.Tensor) -> Any:
        logits = self.q(observation)
        distribution = super().__call__(observation)
        distribution._log_prob = lambda action: tf.gather(logits, action, batch_dims=1)
        return distribution


class UncheckedActions(tiny_discrete.Agent):
    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Any:
        number = getattr(spec.actions, "num_values", 2)
        protocol.check_spec(spec, actions=(protocol.Box, protocol.FiniteSet))
        return tiny_discrete.Policy(config, spec.observations.shape[0], number)


class OtherSizesForActors(Good):
    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self.policy = TanhGaussianPolicy(
            spec.observations.shape[0], spec.actions.shape[0], hidden_sizes=[9]
        )


class LossOfABatch(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        losses = super().losses(transitions, seed)
        return {name: loss * tf.ones([8]) for name, loss in losses.items()}


class LossNotFinite(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        losses = super().losses(transitions, seed)
        return {**losses, "value": tf.math.log(-tf.abs(losses["value"]))}


class LossUnderAnotherName(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {f"{name}s": loss for name, loss in super().losses(transitions, seed).items()}


class OtherLossesBesideStatistics(Good):
    def losses_and_statistics(
        self, transitions: Transition, seed: Seed
    ) -> tuple[dict[str, tf.Tensor], tuple[()]]:
        return {name: 2.0 * loss for name, loss in self.losses(transitions, seed).items()}, ()


class StoppedGradient(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        losses = super().losses(transitions, seed)
        return {**losses, "value": tf.stop_gradient(losses["value"])}


class GradientOfZero(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        losses = super().losses(transitions, seed)
        return {**losses, "value": 0.0 * losses["value"]}


class ForgottenVariables(Good):
    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        del step, transitions, seed


class FailsInAGraph(Good):
    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {"value": tf.constant(tf.reduce_mean(transitions.reward).numpy())}


class MetricNotFinite(Good):
    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {"spread": tf.math.log(tf.reduce_min(transitions.reward) - 100.0)}


class MetricOfTheLearner(Good):
    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return {"loss": tf.constant(0.0)}


class RandomOfItsOwn(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        noisy = transitions._replace(reward=transitions.reward + tf.random.normal([]))
        return super().losses(noisy, seed)


class MovesInMetrics(Good):
    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        targets.smooth(self._value.variables, self._target_value.variables, 0.5)
        return super().metrics(transitions, seed)


_hidden: list[tf.Variable] = []


class RemembersElsewhere(Good):
    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        _hidden.append(tf.Variable(0.0, trainable=False))
        self._where = len(_hidden) - 1

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        count = _hidden[self._where]
        losses = super().losses(transitions._replace(reward=transitions.reward + count), seed)
        count.assign_add(1.0)
        return losses


class DrawsAConstant(Good):
    """A number that depends on the learner's seed, and is in no checkpoint."""

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self._scale = 1.0 + float(tf.random.uniform([]))

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return super().losses(transitions._replace(reward=self._scale * transitions.reward), seed)


class _OtherTarget(Good):
    """Good with another target of its value, made of rewards, γ d and both values of s'."""

    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        s, _, r, d, next_s, *_ = transitions
        target = self.target(r, d, self._target_value(next_s), self._value(next_s))
        error = tf.reduce_mean(tf.square(target - self._value(s)))
        return {**super().losses(transitions, seed), "value": error}

    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError


class BroadcastReward(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(r[:, None] + self._config.discount * d * slow)


class Reordered(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        mixed = tf.reshape(tf.transpose(tf.reshape(slow, [2, -1])), [-1])
        return tf.stop_gradient(r + self._config.discount * d * mixed)


class Standardised(_OtherTarget):
    """No fault: rewards in units of their deviation over the batch."""

    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        r = r / (1.0 + tf.math.reduce_std(r))
        return tf.stop_gradient(r + self._config.discount * d * slow)


class IgnoredReward(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        return super().losses(transitions._replace(reward=tf.ones_like(transitions.reward)), seed)


class IgnoredNextState(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return r


class IgnoredEnd(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(r + self._config.discount * slow)


class IgnoredDiscount(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(r + 0.99 * d * slow)


class DiscountAsEnd(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(r + self._config.discount * (1.0 - d) * slow)


class BonusAfterTheEnd(_OtherTarget):
    """What SAC would do if the entropy of s' were not multiplied by the discount."""

    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(r + self._config.discount * (d * slow + 0.1 * fast))


class MissingStopGradient(_OtherTarget):
    def target(self, r: tf.Tensor, d: tf.Tensor, slow: tf.Tensor, fast: tf.Tensor) -> tf.Tensor:
        return r + self._config.discount * d * fast


class WrongSign(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        losses = super().losses(transitions, seed)
        of_costs = super().losses(transitions._replace(reward=-transitions.reward), seed)
        return {**losses, "policy": of_costs["policy"]}


class TrainedTarget(Good):
    def parameter_groups(self) -> list[protocol.ParameterGroup]:
        value, policy = super().parameter_groups()
        both = (*value.variables, *self._target_value.trainable_variables)
        return [value._replace(variables=both), policy]


class OnlineFollowsTarget(Good):
    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        targets.smooth(self._target_value.variables, self._value.variables, 0.1)


class MovesInLosses(Good):
    def losses(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        targets.smooth(self._value.variables, self._target_value.variables, 0.5)
        return super().losses(transitions, seed)


class NothingOfThisName(Good):
    def on_purpose(self) -> tuple[str, ...]:
        return ("residual",)


def on_purpose(agent_class: type[Good], *names: str) -> type[Good]:
    """The same agent, which says that it means it."""
    return type(agent_class.__name__, (agent_class,), {"on_purpose": lambda self: names})


class NotForXla(Good):
    def metrics(self, transitions: Transition, seed: Seed) -> dict[str, tf.Tensor]:
        values = self._value(transitions.observation)
        return {"volume": tf.linalg.det(tf.linalg.diag(values))}
