"""The tanh-Gaussian policy: a diagonal Gaussian squashed into the action box, as in SAC."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks
from quinoa.agents.batch_norm import BatchNormMLP, Moments
from quinoa.agents.config import LayerNorm
from quinoa.agents.numpy_form import Layer, NumpyForm
from quinoa.agents.policies import squash
from quinoa.agents.protocol import Policy
from quinoa.agents.types import Seed

# The bounds of the Gaussian's mean and log standard deviation keep it within |y| < 7, where float32
# can distinguish squashed actions (see squash); beyond, its density would be that of clipping. They
# do not limit the policy: a deviation of 0.9 is nearly uniform on the box, and tanh(4) is 0.9993.
_MAX_MEAN = 4.0
_MIN_LOG_STDDEV = -3.5
_MAX_LOG_STDDEV = 0.5
# The biases of the network's outputs for the log standard deviation at the start. So it is near 0,
# and the policy nearly uniform on the box: 0.67 nats a dimension of 0.69. Outputs near 0 would give
# a deviation near 0.22, −0.1 nats, and actors would hardly explore at first.
_INITIAL_BIAS = squash.output_for(0.0, _MIN_LOG_STDDEV, _MAX_LOG_STDDEV)
# What the last layer's weights are multiplied by where the mean is to be near 0 at the start.
_SMALL = 0.01


class TanhGaussianPolicy(Policy):
    """tanh(N(μ, σ²)), where a ReLU network gives the mean and the log standard deviation.

    σ starts near 1.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        layer_norm: LayerNorm = False,
        residual: bool = False,
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], and creates its variables.

        Of `layer_norm` and `residual` see `networks.mlp`.
        """
        super().__init__(name=name)
        self._layer_norm = layer_norm
        sizes = [*hidden_sizes, 2 * action_size]
        self._network = networks.mlp(
            observation_size, sizes, layer_norm=layer_norm, residual=residual, name="network"
        )
        _start_wide(networks.layers_of(self._network))

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = networks.settings_of(self._network, layer_norm=self._layer_norm)
        return _form(networks.layers_of(self._network), settings)

    def __call__(self, observation: tf.Tensor) -> tfd.Distribution:
        """See the base class."""
        return _distribution(self._network(observation))

    def with_features(self, observation: tf.Tensor) -> tuple[tfd.Distribution, tf.Tensor]:
        """What calling the policy returns, and its network's last hidden layer, float32 [B, H]."""
        outputs, features = networks.with_features(
            self._network, observation, layer_norm=self._layer_norm
        )
        return _distribution(outputs), features


class BatchNormGaussianPolicy(Policy):
    """`TanhGaussianPolicy` of a network with batch renormalisation before each layer."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], and creates its variables."""
        super().__init__(name=name)
        self._network = BatchNormMLP(observation_size, [*hidden_sizes, 2 * action_size])
        _start_wide(self._network.layers())

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        return _form(self._network.layers(), {"layer_norm": np.array(False)})

    def __call__(self, observation: tf.Tensor) -> tfd.Distribution:
        """Normalises by the running statistics; see the base class."""
        return _distribution(self._network(observation))

    def in_training(
        self, observation: tf.Tensor, share: tf.Tensor
    ) -> tuple[tfd.Distribution, list[Moments]]:
        """Normalises by the batch's statistics: see `BatchNormMLP.in_training`.

        Args:
            observation: float32 [B, O].
            share: float32 [].

        Returns:
            What calling the policy returns, and the moments that `follow` takes.
        """
        outputs, moments = self._network.in_training(observation, share)
        return _distribution(outputs), moments

    def follow(self, moments: Sequence[Moments], rate: float) -> None:
        """See `BatchNormMLP.follow`."""
        self._network.follow(moments, rate)


class SharedVariancePolicy(Policy):
    """tanh(N(μ(s), Σ)), where Σ = diag(e^φ) is the same in all states and φ is a variable.

    It is the policy of Smoothie (Nachum et al., 2018, section 6.2), squashed. A ReLU network gives
    μ, which is near 0 in every state at the start.

    Attributes:
        log_variance: φ, float32 [A].
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        initial_stddev: float,
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], and creates its variables.

        Args:
            observation_size: O.
            action_size: A.
            hidden_sizes: the hidden layers of μ.
            initial_stddev: the root of each variance at the start.
            name: the module's name.
        """
        super().__init__(name=name)
        sizes = [*hidden_sizes, action_size]
        self._network = networks.mlp(observation_size, sizes, name="network")
        last = networks.layers_of(self._network)[-1].weights
        last.assign(_SMALL * last)
        start = tf.fill([action_size], 2.0 * math.log(initial_stddev))
        self.log_variance = tf.Variable(start, name="log_variance")

    def mean(self, observation: tf.Tensor) -> tf.Tensor:
        """μ(s), before the tanh, float32 [B, A], for observations, float32 [B, O]."""
        return _bounded(self._network(observation))

    def variance(self) -> tf.Tensor:
        """The diagonal of Σ, float32 [A]."""
        return tf.exp(self.log_variance)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = networks.settings_of(self._network, layer_norm=False)
        form = _form(networks.layers_of(self._network), settings)
        return form._replace(vectors={"log_variance": self.log_variance})

    def __call__(self, observation: tf.Tensor) -> tfd.Distribution:
        """See the base class."""
        mean = self.mean(observation)
        stddev = tf.exp(0.5 * self.log_variance) * tf.ones_like(mean)
        return squash.Squashed(DiagonalGaussian(mean, stddev))


def _start_wide(layers: Sequence[Layer]) -> None:
    """Sets the last layer's biases to what gives a mean of 0 and a deviation near 1."""
    biases = layers[-1].biases
    action_size = biases.shape[0] // 2
    biases.assign([0.0] * action_size + [_INITIAL_BIAS] * action_size)


def _form(layers: Sequence[Layer], of_network: Mapping[str, npt.NDArray[Any]]) -> NumpyForm:
    settings = {
        **of_network,
        "kind": np.array("tanh_gaussian"),
        "max_mean": np.array(_MAX_MEAN, np.float32),
        "min_log_stddev": np.array(_MIN_LOG_STDDEV, np.float32),
        "max_log_stddev": np.array(_MAX_LOG_STDDEV, np.float32),
    }
    return NumpyForm(settings, {"network": layers})


def _distribution(outputs: tf.Tensor) -> tfd.Distribution:
    """The distribution of actions that a network's outputs, float32 [B, 2 A], stand for."""
    raw_mean, raw = tf.split(outputs, 2, axis=-1)
    mean = _bounded(raw_mean)
    log_stddev = squash.within(raw, _MIN_LOG_STDDEV, _MAX_LOG_STDDEV)
    return squash.Squashed(DiagonalGaussian(mean, tf.exp(log_stddev)))


class DiagonalGaussian:
    """N(μ, diag(σ²)) on R^A, as far as `squash.Squashed` needs it.

    It draws the numbers that TFP's `MultivariateNormalDiag` draws. That one is a distribution that
    a chain of bijectors transforms: tracing an agent's step takes a quarter longer with it.
    """

    reparameterization_type = tfd.FULLY_REPARAMETERIZED

    def __init__(self, mean: tf.Tensor, stddev: tf.Tensor):
        """Takes μ and σ, float32 [B, A] each."""
        self._mean, self._stddev = mean, stddev
        self.dtype = mean.dtype

    @property
    def batch_shape(self) -> tf.TensorShape:
        """[B]."""
        return self._mean.shape[:-1]

    @property
    def event_shape(self) -> tf.TensorShape:
        """[A]."""
        return self._mean.shape[-1:]

    def batch_shape_tensor(self) -> tf.Tensor:
        """The same when the graph runs, int32 [1]."""
        return tf.shape(self._mean)[:-1]

    def event_shape_tensor(self) -> tf.Tensor:
        """The same when the graph runs, int32 [1]."""
        return tf.shape(self._mean)[-1:]

    def sample(self, sample_shape: Any = (), seed: Seed | None = None) -> tf.Tensor:
        """Draws y, float32 [*sample_shape, B, A].

        Args:
            sample_shape: an integer or a vector of them.
            seed: int32 [2]; None draws other numbers each time.
        """
        sample_shape = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
        shape, number = tf.shape(self._mean), tf.reduce_prod(sample_shape)
        # In TFP's order: of each sample, all first numbers, then all second ones.
        noise = tf.random.stateless_normal(
            tf.concat([[number], shape[-1:], shape[:-1]], axis=0), tfp.random.sanitize_seed(seed)
        )
        noise = tf.transpose(noise, [0, *range(2, len(self._mean.shape) + 1), 1])
        noise = tf.reshape(noise, tf.concat([sample_shape, shape], axis=0))
        return self._mean + self._stddev * noise

    def log_prob(self, y: tf.Tensor) -> tf.Tensor:
        """The log-density at y, float32 [..., B, A]; float32 [..., B]."""
        x = (y - self._mean) * (1.0 / self._stddev)
        of_each = -0.5 * tf.square(x) - 0.5 * math.log(2.0 * math.pi)
        return tf.reduce_sum(of_each, axis=-1) - tf.reduce_sum(tf.math.log(self._stddev), axis=-1)

    def mode(self) -> tf.Tensor:
        """μ."""
        return self._mean

    def stddev(self) -> tf.Tensor:
        """σ."""
        return self._stddev


def _bounded(raw_mean: tf.Tensor) -> tf.Tensor:
    """A network's outputs, of any shape, as a Gaussian's mean."""
    return _MAX_MEAN * tf.tanh(raw_mean / _MAX_MEAN)
