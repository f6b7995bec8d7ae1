"""What happens to transitions before an agent sees them: their observations are normalised.

The learner keeps the statistics and they travel with the policy's parameters, so that acting,
evaluation, exports and the learner all see the same. An agent needs no code for it: it is wrapped.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import sonnet as snt
import tensorflow as tf
from acme import specs

from quinoa.agents import protocol
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.numpy_policy import own_form
from quinoa.agents.types import Seed, Transition

# Added to a variance, so that a number that is always the same becomes 0.
_EPSILON = 1e-8


def applied(
    agent_class: type[protocol.Agent], config: protocol.AgentConfig
) -> type[protocol.Agent]:
    """The class of agents whose observations are normalised, where the configuration asks for that.

    Args:
        agent_class: of the agent; one that this function has returned is returned again.
        config: of the agent.
    """
    if not config.normalize_observations or issubclass(agent_class, _NormalizedAgent):
        return agent_class
    return _normalized(agent_class)


class ObservationStatistics(snt.Module):
    """The mean and the deviation of each number of an observation, over all that were learned from.

    The moments of a batch are merged into those of all before it (Chan, Golub & LeVeque, 1979,
    "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", Eq. 2.1). Beyond
    `memory` observations the older ones are forgotten exponentially.

    Attributes:
        mean: float32 [O].
        scale: 1 / the standard deviation, float32 [O].
    """

    def __init__(self, size: int, memory: int):
        """Starts with mean 0 and deviation 1, which no observation has made.

        Args:
            size: O.
            memory: the most observations that the statistics count as.
        """
        super().__init__(name="observation_statistics")
        self._memory = memory
        self.mean = tf.Variable(tf.zeros([size]), trainable=False, name="mean")
        self.scale = tf.Variable(tf.ones([size]), trainable=False, name="scale")
        self._variance = tf.Variable(tf.zeros([size]), trainable=False, name="variance")
        self._count = tf.Variable(0.0, trainable=False, name="count")

    def update(self, observation: tf.Tensor) -> None:
        """Takes in more observations, float32 [..., O]."""
        rows = tf.reshape(observation, [-1, self.mean.shape[0]])
        number = tf.cast(tf.shape(rows)[0], tf.float32)
        count = tf.minimum(self._count, float(self._memory))
        share = number / (count + number)
        mean, variance = tf.nn.moments(rows, axes=[0])
        change = mean - self.mean
        between = share * (1.0 - share) * tf.square(change)
        self._variance.assign((1.0 - share) * self._variance + share * variance + between)
        self.mean.assign_add(share * change)
        self.scale.assign(tf.math.rsqrt(self._variance + _EPSILON))
        self._count.assign(count + number)


class NormalizedPolicy(protocol.Policy):
    """π(·|z(s)): another policy, given clip((s − mean) · scale) for the observation s."""

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

    def normalized(self, observation: tf.Tensor) -> tf.Tensor:
        """Z(s) for observations s, float32 [..., O]."""
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

    def numpy_form(self) -> NumpyForm | None:
        """See the base class."""
        form = own_form(self._policy)
        if form is None:
            return None
        vectors = {"observation_mean": self._mean, "observation_scale": self._scale}
        clip = {"observation_clip": np.array(self._clip, np.float32)}
        return form._replace(settings={**form.settings, **clip}, vectors=vectors)


class _NormalizedAgent(protocol.Agent):
    """Another agent, given transitions whose observations are normalised."""

    wrapped_class: ClassVar[type[protocol.Agent]]
    policy: NormalizedPolicy

    def __init__(self, config: Any, spec: specs.EnvironmentSpec):
        super().__init__(config, spec)
        self._agent = self.wrapped_class(config, spec)
        size = spec.observations.shape[0]
        self._statistics = ObservationStatistics(size, config.observation_memory)
        self.policy = NormalizedPolicy(
            self._agent.policy,
            self._statistics.mean,
            self._statistics.scale,
            config.observation_clip,
        )

    @classmethod
    def make_source(
        cls,
        config: Any,
        spec: specs.EnvironmentSpec,
        *,
        num_environments: int,
        steps_per_call: int,
    ) -> Any:
        return cls.wrapped_class.make_source(
            config, spec, num_environments=num_environments, steps_per_call=steps_per_call
        )

    def _normalized(self, transitions: Transition) -> Transition:
        return transitions._replace(
            observation=self.policy.normalized(transitions.observation),
            next_observation=self.policy.normalized(transitions.next_observation),
        )

    def initialize(self, transitions: Transition) -> None:
        self._statistics.update(transitions.observation)
        self._agent.initialize(self._normalized(transitions))

    def losses(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        return self._agent.losses(self._normalized(transitions), seed)

    def parameter_groups(self) -> Sequence[protocol.ParameterGroup]:
        return self._agent.parameter_groups()

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        # Normalised before the statistics move: the agent sees here what its losses have seen.
        normalized = self._normalized(transitions)
        self._statistics.update(transitions.observation)
        self._agent.after_step(step, normalized, seed)

    def value(self, observation: tf.Tensor) -> tf.Tensor | None:
        return self._agent.value(self.policy.normalized(observation))

    def on_purpose(self) -> Collection[str]:
        return self._agent.on_purpose()

    def metrics(self, transitions: Transition, seed: Seed) -> Mapping[str, tf.Tensor]:
        normalized = self._normalized(transitions)
        is_clipped = tf.abs(normalized.observation) >= self._config.observation_clip
        clipped = tf.reduce_mean(tf.cast(is_clipped, tf.float32))
        return {**self._agent.metrics(normalized, seed), "clipped_observations": clipped}


@functools.cache
def _normalized(agent_class: type[protocol.Agent]) -> type[protocol.Agent]:
    class Normalized(_NormalizedAgent):
        Config = agent_class.Config
        wrapped_class = agent_class
        check_spec = staticmethod(agent_class.check_spec)
        extras_spec = staticmethod(agent_class.extras_spec)

        @staticmethod
        def make_policy(config: Any, spec: specs.EnvironmentSpec) -> protocol.Policy:
            policy = agent_class.make_policy(config, spec)
            size = spec.observations.shape[0]
            mean = tf.Variable(tf.zeros([size]), trainable=False, name="mean")
            scale = tf.Variable(tf.ones([size]), trainable=False, name="scale")
            return NormalizedPolicy(policy, mean, scale, config.observation_clip)

    # A checkpoint names the agent that it is of, and so do messages.
    for name in ("__module__", "__name__", "__qualname__"):
        setattr(Normalized, name, getattr(agent_class, name))
    return Normalized
