"""What happens to transitions before an agent sees them, as its configuration asks.

Observations are normalised, and rewards are scaled. The learner keeps the statistics; those of
observations travel with the policy's parameters, so that acting, evaluation, exports and the
learner all see the same. An agent needs no code for it: it is wrapped.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import sonnet as snt
import tensorflow as tf
from acme import specs

from quinoa.agents import graphs, moments, protocol
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.numpy_policy import own_form
from quinoa.agents.observations import observation_set
from quinoa.agents.types import RUNNING_RETURN, STATES_BETWEEN, Seed, Transition

# By the setting that asks for it, the attribute with an agent's statistics.
STATISTICS = {"normalize_observations": "_observations", "scale_rewards": "_returns"}


def applied(
    agent_class: type[protocol.Agent], config: protocol.LearnerConfig
) -> type[protocol.Agent]:
    """The class of agents that see what the configuration says.

    Args:
        agent_class: of the agent; one that this function has returned is returned again.
        config: of the agent.

    Returns:
        `agent_class` itself where the configuration asks for nothing.
    """
    asked = config.normalize_observations, config.scale_rewards
    if not any(asked) or issubclass(agent_class, _PreprocessedAgent):
        return agent_class
    return _preprocessed(agent_class, *asked)


def unwrapped(agent: protocol.Agent) -> protocol.Agent:
    """The agent that sees the transitions: `agent` itself, or the one that it wraps."""
    return agent._agent if isinstance(agent, _PreprocessedAgent) else agent


class RunningStatistics(snt.Module):
    """The mean and the deviation of each number of a vector, over all vectors that were seen.

    The moments of a batch are merged into those of all before it (Chan, Golub & LeVeque, 1979,
    "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", Eq. 2.1). Beyond
    `memory` vectors the older ones are forgotten exponentially. Sums are of differences from the
    mean so far, as those of large numbers would round off how they differ (the same, 1983,
    "Algorithms for Computing the Sample Variance", on shifted data).

    Attributes:
        mean: float32 [D].
        scale: 1 / the standard deviation, float32 [D]; 1 of what has always been the same, as
            far as `moments.varies` can tell.
    """

    def __init__(
        self,
        size: int,
        memory: int,
        *,
        noise: float = moments.NOISE,
        name: str = "running_statistics",
    ):
        """Starts with mean 0 and scale 1, which no vector has made.

        Args:
            size: D.
            memory: the most vectors that the statistics count as.
            noise: see `moments.varies`.
            name: the module's name.
        """
        super().__init__(name=name)
        self._memory, self._noise = memory, noise
        self.mean = tf.Variable(tf.zeros([size]), trainable=False, name="mean")
        self.scale = tf.Variable(tf.ones([size]), trainable=False, name="scale")
        self._variance = tf.Variable(tf.zeros([size]), trainable=False, name="variance")
        self._count = tf.Variable(0.0, trainable=False, name="count")

    def start(self, vectors: tf.Tensor) -> None:
        """Has the moments of vectors, float32 [..., D], until `update` takes in its first ones.

        They count as none, as `update` will take them in too. Does nothing after an `update`.
        """
        graphs.do_if(tf.equal(self._count, 0.0), lambda: self._merge(vectors))

    def update(self, vectors: tf.Tensor) -> None:
        """Takes in more vectors, float32 [..., D]."""
        self._count.assign(self._merge(vectors))

    def _merge(self, vectors: tf.Tensor) -> tf.Tensor:
        """Merges the moments of vectors into those so far; returns as how many both count."""
        rows = tf.reshape(vectors, [-1, self.mean.shape[0]])
        number = tf.cast(tf.shape(rows)[0], tf.float32)
        count = tf.minimum(self._count, float(self._memory))
        share = number / (count + number)
        centre = tf.where(self._count > 0.0, self.mean, rows[0])
        mean, variance = tf.nn.moments(rows - centre, axes=[0])
        between = share * (1.0 - share) * tf.square(mean)
        variance = (1.0 - share) * self._variance + share * variance + between
        self.mean.assign(centre + share * mean)
        self._variance.assign(variance)
        self.scale.assign(1.0 / moments.deviation(self.mean, variance, self._noise))
        return count + number


class NormalizedPolicy(protocol.Policy):
    """π(·|z(s)): another policy, given z(s) = clip((s − mean) · scale) for the observation s."""

    def __init__(self, policy: protocol.Policy, mean: tf.Variable, scale: tf.Variable, clip: float):
        """Wraps a policy.

        Args:
            policy: of normalised observations, its variables created.
            mean: float32 [O], as is `scale`.
            scale: 1 / the standard deviation.
            clip: normalised observations are within ±clip.
        """
        super().__init__(name="normalized_policy")
        self._policy, self._mean, self._scale, self._clip = policy, mean, scale, clip
        self.has_density, self.has_mode = policy.has_density, policy.has_mode

    def scheduled(self) -> Collection[tf.Variable]:
        """See the base class."""
        return self._policy.scheduled()

    def normalized(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns z(s) for observations s, float32 [..., O]."""
        centred = (observation - self._mean) * self._scale
        return tf.clip_by_value(centred, -self._clip, self._clip)

    def __call__(self, observation: tf.Tensor) -> Any:
        """See the base class."""
        return self._policy(self.normalized(observation))

    @property
    def adds_extras(self) -> bool:
        """See the base class."""
        return self._policy.adds_extras

    def extras(self, distribution: Any, action: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """See the base class."""
        return self._policy.extras(distribution, action)

    def deterministic_action(self, distribution: Any) -> tf.Tensor:
        """See the base class."""
        return self._policy.deterministic_action(distribution)

    def numpy_form(self) -> NumpyForm | None:
        """See the base class."""
        form = own_form(self._policy)
        if form is None:
            return None
        vectors = {"observation_mean": self._mean, "observation_scale": self._scale}
        clip = {"observation_clip": np.array(self._clip, np.float32)}
        return form._replace(
            settings={**form.settings, **clip}, vectors={**form.vectors, **vectors}
        )


class _PreprocessedAgent(protocol.Agent):
    """Another agent, given what its configuration asks for in place of the transitions."""

    wrapped_class: ClassVar[type[protocol.Agent]]

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        _check_can_normalize(config, spec)
        self._agent = self.wrapped_class(config, spec)
        self.policy = self._agent.policy
        self._observations = self._returns = None
        if config.normalize_observations:
            size = spec.observations.shape[0]
            self._observations = RunningStatistics(
                size, config.statistics_memory, name="observations"
            )
            self.policy = NormalizedPolicy(
                self.policy,
                self._observations.mean,
                self._observations.scale,
                config.observation_clip,
            )
        if config.scale_rewards:
            # Rewards may be in any unit: however small returns are, how they differ is no noise.
            self._returns = RunningStatistics(
                1, config.statistics_memory, noise=0.0, name="returns"
            )

    def _seen(self, transitions: Transition) -> Transition:
        """What the agent is to see of transitions."""
        if self._returns is not None:
            extras = {**transitions.extras}
            del extras[RUNNING_RETURN]
            reward = transitions.reward * self._returns.scale[0]
            transitions = transitions._replace(reward=reward, extras=extras)
        if STATES_BETWEEN in transitions.extras:
            states = self._observed(transitions.extras[STATES_BETWEEN])
            transitions = transitions._replace(
                extras={**transitions.extras, STATES_BETWEEN: states}
            )
        return transitions._replace(
            observation=self._observed(transitions.observation),
            next_observation=self._observed(transitions.next_observation),
        )

    def _observed(self, observation: tf.Tensor) -> tf.Tensor:
        if isinstance(self.policy, NormalizedPolicy):
            return self.policy.normalized(observation)
        return observation

    def _statistics(self, transitions: Transition) -> list[tuple[RunningStatistics, tf.Tensor]]:
        """The statistics that are kept, and what they are of."""
        found = []
        if self._observations is not None:
            found.append((self._observations, transitions.observation))
        if self._returns is not None:
            found.append((self._returns, transitions.extras[RUNNING_RETURN]))
        return found

    def initialize(self, transitions: Transition) -> None:
        # On-policy, the policy has to be the one that acted; `after_step` has the next one see
        # normalised observations, as it acts.
        is_on_policy = isinstance(self._config, protocol.OnPolicyConfig)
        for statistics, vectors in self._statistics(transitions):
            # After a reset there are some, and `after_step` takes in this batch.
            if not (is_on_policy and statistics is self._observations):
                statistics.start(vectors)
        self._agent.initialize(self._seen(transitions))

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        return self._agent.losses(self._seen(transitions), seed)

    def losses_and_statistics(
        self, transitions: Transition, seed: Seed
    ) -> tuple[Mapping[str, tf.Tensor], Any]:
        return self._agent.losses_and_statistics(self._seen(transitions), seed)

    def keep_statistics(self, step: tf.Tensor, statistics: Any) -> None:
        self._agent.keep_statistics(step, statistics)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        return self._agent.parameter_groups()

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        # Before the statistics move: the agent sees here what its losses have seen.
        seen = self._seen(transitions)
        for statistics, vectors in self._statistics(transitions):
            statistics.update(vectors)
        self._agent.after_step(step, seen, seed)

    def kept_in_resets(self) -> Collection[tf.Variable]:
        statistics = [each for each in (self._observations, self._returns) if each is not None]
        own = [variable for each in statistics for variable in each.variables]
        return [*own, *self._agent.kept_in_resets()]

    def value(self, observation: tf.Tensor) -> tf.Tensor | None:
        return self._unscaled(self._agent.value(self._observed(observation)))

    def _unscaled(self, value: tf.Tensor | None) -> tf.Tensor | None:
        """A value of scaled rewards as one of the environment's."""
        if value is None or self._returns is None:
            return value
        return value / self._returns.scale[0]

    def action_values(self, observation: tf.Tensor) -> tf.Tensor | None:
        return self._unscaled(self._agent.action_values(self._observed(observation)))

    def action_value(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor | None:
        return self._unscaled(self._agent.action_value(self._observed(observation), action))

    def on_purpose(self) -> Collection[str]:
        return self._agent.on_purpose()

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        seen = self._seen(transitions)
        metrics = dict(self._agent.metrics(seen, seed))
        if self._observations is not None:
            is_clipped = tf.abs(seen.observation) >= self._config.observation_clip
            metrics["clipped_observations"] = tf.reduce_mean(tf.cast(is_clipped, tf.float32))
        if self._returns is not None:
            metrics["reward_scale"] = self._returns.scale[0]
        return metrics


def _check_can_normalize(config: protocol.LearnerConfig, spec: specs.EnvironmentSpec) -> None:
    if config.normalize_observations and len(spec.observations.shape) > 1:
        raise protocol.SpecError(
            "normalize_observations = True is for vectors, but the environment's observations are "
            f"{observation_set(spec.observations)}, which networks scale themselves: leave it off."
        )


@functools.cache
def _preprocessed(
    agent_class: type[protocol.Agent], normalize_observations: bool, scale_rewards: bool
) -> type[protocol.Agent]:
    def extras_spec(config: Any, spec: specs.EnvironmentSpec) -> Mapping[str, specs.Array]:
        extras = dict(agent_class.extras_spec(config, spec))
        if scale_rewards:
            extras[RUNNING_RETURN] = specs.Array((), np.float32)
        return extras

    # The agent's own choice of a source, which lays out its rows by `extras_spec`.
    sourced: Any = types.new_class(
        "Sourced",
        (agent_class,),
        exec_body=lambda body: body.update(extras_spec=staticmethod(extras_spec)),
    )

    class Preprocessed(_PreprocessedAgent):
        Config = agent_class.Config
        wrapped_class = agent_class
        check_spec = staticmethod(agent_class.check_spec)
        extras_spec = staticmethod(sourced.extras_spec)
        make_source = sourced.make_source

        @staticmethod
        def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
            _check_can_normalize(config, spec)
            policy = agent_class.make_policy(config, spec)
            if not normalize_observations:
                return policy
            size = spec.observations.shape[0]
            mean = tf.Variable(tf.zeros([size]), trainable=False, name="mean")
            scale = tf.Variable(tf.ones([size]), trainable=False, name="scale")
            return NormalizedPolicy(policy, mean, scale, config.observation_clip)

    # A checkpoint names the agent that it is of, and so do messages.
    for name in ("__module__", "__name__", "__qualname__"):
        setattr(Preprocessed, name, getattr(agent_class, name))
    return Preprocessed
