"""Policies that give actions and no density: a function of the state, or of the state and noise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import graphs, networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.policies import squash
from quinoa.agents.protocol import Policy
from quinoa.agents.types import Seed

# The bound of the last layer's weights and biases at the start: so the first actions, which are all
# that is learned from at first, are not at the edges (Lillicrap et al., 2016, section 7).
_INITIAL_OUTPUT = 3e-3
# The seed of a fixed set of noise, which is the same in all processes and in every run.
_SET_SEED = 0


class DeterministicPolicy(Policy):
    """a = tanh(F(s)), where F is a ReLU network; near 0 in every state at the start."""

    has_density = False

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        layer_norm: LayerNorm = False,
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], and creates its variables.

        Of `layer_norm` see `networks.mlp`.
        """
        super().__init__(name=name)
        self._layer_norm = layer_norm
        sizes = [*hidden_sizes, action_size]
        self._network = networks.mlp(observation_size, sizes, layer_norm=layer_norm, name="network")
        last = networks.layers_of(self._network)[-1]
        for variable in (last.weights, last.biases):
            start = tf.random.uniform(variable.shape, -_INITIAL_OUTPUT, _INITIAL_OUTPUT)
            variable.assign(start)

    def __call__(self, observation: tf.Tensor) -> tfd.VectorDeterministic:
        """See the base class."""
        return tfd.VectorDeterministic(self.action(observation))

    def action(self, observation: tf.Tensor) -> tf.Tensor:
        """The policy's one action in each state, float32 [B, A], for observations [B, O]."""
        return squash.tanh(self._network(observation))

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = {
            "kind": np.array("deterministic"),
            **networks.settings_of(self._network, layer_norm=self._layer_norm),
        }
        return NumpyForm(settings, {"network": networks.layers_of(self._network)})


class _DeterministicConfig(Protocol):
    """The settings that a `DeterministicPolicy` is made of."""

    @property
    def hidden_sizes(self) -> Sequence[int]:
        """Its hidden layers."""

    @property
    def layer_norm(self) -> LayerNorm:
        """Whether they have layer normalisation."""


def make_deterministic_policy(
    config: _DeterministicConfig, observation_size: int, action_size: int
) -> DeterministicPolicy:
    """Makes the policy that a configuration describes; see `DeterministicPolicy`."""
    return DeterministicPolicy(
        observation_size,
        action_size,
        hidden_sizes=config.hidden_sizes,
        layer_norm=config.layer_norm,
    )


class SamplerPolicy(Policy):
    """a = tanh(ξ + F(s, ξ)), ξ ~ N(0, I) of as many dimensions as a, where F is a ReLU network.

    F is 0 at the start, and the policy nearly uniform on the box. Neither the density of a given
    action nor the mode is known; the density of an action that was drawn from all ξ is, by
    `sample_and_log_prob`.

    With a set of noise, actions have ξ from the first `set_size` of its vectors, with equal
    probabilities, as in fine-tuning in appendix D.2 of Haarnoja et al. (2017). The vectors are
    drawn from N(0, I) once, the same in every run.

    Attributes:
        set_size: K_ξ, float32 [1], a whole number; None without a set. No gradient moves it; actors
            get it with the parameters when the agent assigns another.
    """

    has_density = has_mode = False

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        noise_set_size: int = 0,
        name: str = "policy",
    ):
        """Makes the policy, and creates its variables.

        Args:
            observation_size: O.
            action_size: A.
            hidden_sizes: the hidden layers of F.
            noise_set_size: the vectors in the set of noise; 0 is no set.
            name: the module's name.
        """
        super().__init__(name=name)
        self._action_size = action_size
        rng = np.random.default_rng(_SET_SEED)
        self._noise_set = rng.standard_normal((noise_set_size, action_size), np.float32)
        self.set_size: tf.Variable | None = None
        if noise_set_size:
            size = [float(noise_set_size)]
            self.set_size = tf.Variable(size, trainable=False, name="set_size")
        sizes = [*hidden_sizes, action_size]
        self._network = networks.mlp(
            observation_size + action_size, sizes, zero_output=True, name="network"
        )

    def __call__(self, observation: tf.Tensor) -> Samples:
        """See the base class."""
        return Samples(self, observation)

    def scheduled(self) -> Collection[tf.Variable]:
        """See the base class."""
        return () if self.set_size is None else (self.set_size,)

    def draw(self, observation: tf.Tensor, number: int, seed: Seed) -> tf.Tensor:
        """Draws y of actions a = tanh(y) for each state, of the set of noise where there is one.

        Args:
            observation: float32 [B, O].
            number: how many for each state, N.
            seed: int32 [2].

        Returns:
            y, float32 [B, N, A].
        """
        if self.set_size is None:
            return self._from_noise(observation, self._noise(observation, number, seed))
        count = observation.shape[0] or tf.shape(observation)[0]
        uniform = tf.random.stateless_uniform([count, number], seed)
        # By rounding a product with a number below 1 can be the whole size.
        last = tf.cast(self.set_size, tf.int32) - 1
        index = tf.minimum(tf.cast(uniform * self.set_size, tf.int32), last)
        return self._from_noise(observation, tf.gather(self._noise_set, index))

    def sample_and_log_prob(
        self, observation: tf.Tensor, number: int, seed: Seed
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws y of all noise, with log-densities by Eq. 33 of Haarnoja et al. (2017).

        It is of N(0, I) where there is a set of noise too, for actions of a set have no density.

        log q(y|s) = log N(ξ; 0, I) − log|det ∂y/∂ξ|, the Jacobian by automatic differentiation.
        Where several ξ give one y, it is the part of the density that this ξ gives.

        Args:
            observation: float32 [B, O].
            number: N.
            seed: int32 [2].

        Returns:
            y, float32 [B, N, A]; log q(y|s), float32 [B, N], which is infinite where the Jacobian
            is singular, and through which no gradient flows.
        """
        noise = self._noise(observation, number, seed)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(noise)
            y = self._from_noise(observation, noise)
            columns = tf.unstack(y, axis=-1)
        # Each y depends on its own ξ alone.
        jacobian = tf.stack([tape.gradient(column, noise) for column in columns], axis=-2)
        del tape
        # Its derivative would be a second one of ReLUs.
        jacobian = tf.stop_gradient(jacobian)
        log_volume = _log_abs_determinant(jacobian)
        log_prob = tfd.MultivariateNormalDiag(tf.zeros([self._action_size])).log_prob(noise)
        return y, log_prob - log_volume

    def _noise(self, observation: tf.Tensor, number: int, seed: Seed) -> tf.Tensor:
        count = observation.shape[0] or tf.shape(observation)[0]
        return tf.random.stateless_normal([count, number, self._action_size], seed)

    def _from_noise(self, observation: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        repeated = tf.repeat(observation, noise.shape[1], axis=0)
        flat = tf.reshape(noise, [-1, self._action_size])
        y = self._network(tf.concat([repeated, flat], axis=-1))
        return noise + tf.reshape(y, [-1, *noise.shape[1:]])

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = {"layer_norm": np.array(False), "kind": np.array("sampler")}
        layers = {"network": networks.layers_of(self._network)}
        if self.set_size is None:
            return NumpyForm(settings, layers)
        settings["noise_set"] = self._noise_set
        return NumpyForm(settings, layers, {"set_size": self.set_size})


class Samples(NamedTuple):
    """The distribution of a `SamplerPolicy` in some states, which can be sampled and no more.

    Attributes:
        policy: the policy.
        observation: float32 [B, O].
    """

    policy: SamplerPolicy
    observation: tf.Tensor

    def sample(self, number: int | None = None, *, seed: Seed) -> tf.Tensor:
        """Draws an action in each state.

        Args:
            number: how many in each; one if it is not given.
            seed: int32 [2].

        Returns:
            float32 [B, A], or [number, B, A].
        """
        actions = squash.tanh(self.policy.draw(self.observation, number or 1, seed))
        return actions[:, 0] if number is None else tf.transpose(actions, [1, 0, 2])


def _log_abs_determinant(matrix: tf.Tensor) -> tf.Tensor:
    """log|det M|, float32 [...], for matrices float32 [..., A, A]; -inf of a singular one."""
    if graphs.are_for_xla():
        # XLA has no determinant. On a CPU this takes more than twice as long as the other.
        diagonal = tf.linalg.diag_part(tf.linalg.qr(matrix).r)
        return tf.reduce_sum(tf.math.log(tf.abs(diagonal)), axis=-1)
    return tf.linalg.slogdet(matrix).log_abs_determinant
