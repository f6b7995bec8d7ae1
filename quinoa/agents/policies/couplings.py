"""The transforms of a flow's couplings, which change half of the dimensions given the other half.

Real NVP's affine couplings (Dinh et al., 2017), which the Quinoa paper uses, NICE's additive ones
(Dinh et al., 2015), which MEow's uses, and piecewise-linear ones (Müller et al., 2019, "Neural
Importance Sampling", section 4.1).
"""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.policies import squash


class Transform(abc.ABC):
    """A monotonic map in each of T dimensions, for N points."""

    @abc.abstractmethod
    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps x, float32 [N, T].

        Returns:
            y, float32 [N, T], and log|det dy/dx|, float32 [N].
        """

    @abc.abstractmethod
    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The inverse of `push`: x, float32 [N, T], and log|det dx/dy|, float32 [N]."""


class Couplings(abc.ABC):
    """A kind of coupling, with the coordinates y of the action box that it works in.

    Attributes:
        kind: its name in `quinoa.agents.policies.standalone`.
        outputs: the number of network outputs per transformed dimension.
        stddev: the initial standard deviation of v in the network's layers; see
            `quinoa.agents.weight_norm.WeightNormLinear`.
        normalize_output: whether the network's last layer is weight-normalised too.
    """

    kind: str
    outputs: int
    stddev: float
    normalize_output: bool

    @abc.abstractmethod
    def transform(self, outputs: tf.Tensor) -> Transform:
        """The transform of a network's outputs, float32 [N, T · `outputs`]; 0 is the identity."""

    @abc.abstractmethod
    def to_action(self, y: tf.Tensor) -> tf.Tensor:
        """The actions at the coordinates y, of the same shape."""

    @abc.abstractmethod
    def from_action(self, action: tf.Tensor) -> tf.Tensor:
        """The coordinates y of actions, of the same shape."""

    @abc.abstractmethod
    def log_slope(self, y: tf.Tensor) -> tf.Tensor:
        """Log |da/dy| of each dimension, of the same shape."""

    @abc.abstractmethod
    def numpy_settings(self) -> dict[str, npt.NDArray[Any]]:
        """The kind's settings as arrays, for `quinoa.agents.policies.standalone`."""


class _Unsquashed(Couplings):
    """Couplings in the coordinates y = atanh(a)."""

    # Log-densities must have little noise: if the optimiser's noise changes them by more than the
    # advantages do, a KL constraint limits nothing but that noise. With 0.05 the noise was tens of
    # times larger (docs/decisions/quinoa_search.md).
    stddev = 1.0
    normalize_output = True

    def to_action(self, y: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return squash.tanh(y)

    def from_action(self, action: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return squash.atanh(action)

    def log_slope(self, y: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return squash.log_slope(y)


class Affine(_Unsquashed):
    """x → exp(log-scale) x + shift, in the coordinates y = atanh(a)."""

    # Of a chain that is `bounded`: e^0.5 and 4 in `quinoa.agents.policies.gaussian`.
    MAX_STRETCH = math.exp(0.5)
    MAX_SHIFT = 4.0

    kind = "real_nvp"
    outputs = 2

    def __init__(
        self, *, max_log_scale: float, max_shift: float, max_log_stretch: float | None = None
    ):
        """Sets the bounds of a single coupling.

        Args:
            max_log_scale: a coupling scales y by exp(-max_log_scale) at least.
            max_shift: a coupling shifts y by at most ±max_shift.
            max_log_stretch: a coupling scales y by exp(max_log_stretch) at most; None is
                max_log_scale.
        """
        self._max_log_scale = max_log_scale
        self._max_log_stretch = max_log_scale if max_log_stretch is None else max_log_stretch
        self._max_shift = max_shift

    @classmethod
    def bounded(cls, *, num_couplings: int, max_log_scale: float, max_shift: float) -> Affine:
        """Couplings whose chain has the bounds of `TanhGaussianPolicy`, however many there are.

        A dimension is moved by every second coupling. Together they stretch y by `MAX_STRETCH` at
        most and shift it by `MAX_SHIFT`, so that nearly all of the mass stays within |y| < 7, where
        float32 distinguishes actions. Without, saturated couplings put much of it on the clip.

        Args:
            num_couplings: of the flow.
            max_log_scale: see the constructor.
            max_shift: see the constructor; less, where `MAX_SHIFT` asks for less.
        """
        each = (num_couplings + 1) // 2
        log_stretch = math.log(cls.MAX_STRETCH) / each
        # A shift is stretched by the couplings after it.
        shift = cls.MAX_SHIFT / sum(math.exp(index * log_stretch) for index in range(each))
        return cls(
            max_log_scale=max_log_scale,
            max_shift=min(max_shift, shift),
            max_log_stretch=min(max_log_scale, log_stretch),
        )

    def transform(self, outputs: tf.Tensor) -> Transform:
        """See the base class."""
        shift, log_scale = tf.split(outputs, 2, axis=-1)
        bound = tf.where(log_scale > 0.0, self._max_log_stretch, self._max_log_scale)
        return _AffineTransform(_bounded(shift, self._max_shift), _bounded(log_scale, bound))

    def numpy_settings(self) -> dict[str, npt.NDArray[Any]]:
        """See the base class."""
        return {
            "log_scale_bounds": np.array([self._max_log_scale, self._max_log_stretch], np.float32),
            "max_shift": np.array(self._max_shift, np.float32),
        }


class _AffineTransform(Transform):
    def __init__(self, shift: tf.Tensor, log_scale: tf.Tensor):
        self._shift, self._log_scale = shift, log_scale

    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y = x * tf.exp(self._log_scale) + self._shift
        return y, tf.reduce_sum(self._log_scale, axis=-1)

    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = (y - self._shift) * tf.exp(-self._log_scale)
        return x, -tf.reduce_sum(self._log_scale, axis=-1)


class Additive(_Unsquashed):
    """x → x + shift, in the coordinates y = atanh(a): the determinant is 1 whatever x is."""

    kind = "additive"
    outputs = 1

    def __init__(self, *, max_shift: float):
        """Sets the bound of a single coupling, which shifts y by at most ±max_shift."""
        self._max_shift = max_shift

    def transform(self, outputs: tf.Tensor) -> Transform:
        """See the base class."""
        return _Shift(_bounded(outputs, self._max_shift))

    def numpy_settings(self) -> dict[str, npt.NDArray[Any]]:
        """See the base class."""
        return {"max_shift": np.array(self._max_shift, np.float32)}


class _Shift(Transform):
    def __init__(self, shift: tf.Tensor):
        self._shift = shift

    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return x + self._shift, tf.zeros([tf.shape(x)[0]])

    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return y - self._shift, tf.zeros([tf.shape(y)[0]])


def _bounded(values: tf.Tensor, bound: tf.Tensor | float) -> tf.Tensor:
    """Values within ±bound, and the same to first order near 0."""
    return bound * tf.tanh(values / bound)


class PiecewiseLinear(Couplings):
    """The inverse cumulative distribution of n equal bins in [-1, 1], of y = a.

    Given the other half, the density of each dimension is a histogram. So it is like a
    multicategorical policy, but with a density and with dependent dimensions.
    """

    kind = "piecewise_linear"
    # As in Salimans & Kingma (2016), but the last layer is not normalised: a normalised one would
    # grow by only the learning rate per step, and log-probabilities must reach tens of nats.
    stddev = 0.05
    normalize_output = False

    def __init__(self, *, num_bins: int):
        """Sets the number of bins per dimension, n."""
        self.outputs = num_bins

    def transform(self, outputs: tf.Tensor) -> Transform:
        """See the base class."""
        return _Histogram(tf.reshape(outputs, [tf.shape(outputs)[0], -1, self.outputs]))

    def to_action(self, y: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.clip_by_value(y, -1.0, 1.0)

    def from_action(self, action: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.clip_by_value(action, -1.0, 1.0)

    def log_slope(self, y: tf.Tensor) -> tf.Tensor:
        """See the base class."""
        return tf.zeros_like(y)

    def numpy_settings(self) -> dict[str, npt.NDArray[Any]]:
        """See the base class."""
        return {"num_bins": np.array(self.outputs)}


class _Histogram(Transform):
    """The map of bins with the probabilities softmax(logits), float32 [N, T, n]."""

    def __init__(self, logits: tf.Tensor):
        self._num_bins = logits.shape[-1]
        self._log_probs = tf.nn.log_softmax(logits)
        self._probs = tf.exp(self._log_probs)
        self._before = tf.cumsum(self._probs, axis=-1, exclusive=True)

    def push(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        u = 0.5 * (x + 1.0)
        starts = self._before[..., 1:] <= u[..., None]
        index = tf.reduce_sum(tf.cast(starts, tf.int32), axis=-1)
        below, prob, log_prob = self._at(index)
        # Guards against a bin whose probability is lost to rounding in the cumulative sum.
        within = tf.clip_by_value((u - below) / tf.maximum(prob, 1e-30), 0.0, 1.0)
        y = (tf.cast(index, tf.float32) + within) * (2.0 / self._num_bins) - 1.0
        return y, -self._log_det(log_prob)

    def pull(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        z = (y + 1.0) * (0.5 * self._num_bins)
        index = tf.clip_by_value(tf.cast(z, tf.int32), 0, self._num_bins - 1)
        below, prob, log_prob = self._at(index)
        u = below + (z - tf.cast(index, tf.float32)) * prob
        return 2.0 * u - 1.0, self._log_det(log_prob)

    def _at(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """For bins [N, T]: the cumulative probability before each, its own, and the log of that."""
        one_hot = tf.one_hot(index, self._num_bins)
        return tuple(
            tf.reduce_sum(one_hot * values, axis=-1)
            for values in (self._before, self._probs, self._log_probs)
        )

    def _log_det(self, log_prob: tf.Tensor) -> tf.Tensor:
        """log|det| of `pull`: density is probability over a bin's width, 1/n of the range."""
        return tf.reduce_sum(log_prob + math.log(self._num_bins), axis=-1)
