"""V(s) as the mean of a categorical distribution over bins, learned as a classification.

Imani & White (2018), "Improving Regression Performance with Distributional Losses", and Farebrother
et al. (2024), "Stop Regressing: Training Value Functions via Classification for Scalable Deep RL":
the target, a number, becomes a Gaussian's histogram (HL-Gauss), and the loss is the cross-entropy.
The gradient then does not grow with the error, so that values which differ by tens and by
hundredths are learned at one rate. Neither IQ's paper nor Quinoa's has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.config import Convolutions, LayerNorm
from quinoa.agents.observations import ObservationSet

# The Gaussian's standard deviation, in bins (Farebrother et al., section 3.1): most of its mass is
# in six of them.
_DEVIATION = 0.75
# At the start probabilities fall by a factor e in so many bins from 0 on, to either side.
_START_SCALE = 1.5
# Of an interval of logits, to less than float32 tells apart.
_BISECTIONS = 60


class Bins:
    """Bins of one width, and what V and its loss are over them.

    Attributes:
        number: K.
    """

    def __init__(self, number: int, low: float, high: float):
        """Makes them.

        Args:
            number: K, at least 2.
            low: where they begin, below 0.
            high: where they end, above 0.
        """
        self.number = number
        self._edges = np.linspace(low, high, number + 1, dtype=np.float32)
        self._centers = 0.5 * (self._edges[1:] + self._edges[:-1])

    def start(self) -> npt.NDArray[np.float32]:
        """Logits with which V is 0, float32 [K]: probabilities are largest around 0.

        Were all the same, small changes of the far bins' would move V by much. Where there is not
        as much room below 0 as above, they are tilted so that the mean is 0 all the same.
        """
        centers = self._centers.astype(np.float64) / float(self._edges[1] - self._edges[0])
        peaked = -np.abs(centers) / _START_SCALE
        # The mean grows with the tilt. With more of it either side would rise and there be no peak.
        low, high = -1.0 / _START_SCALE, 1.0 / _START_SCALE
        for _ in range(_BISECTIONS):
            tilt = 0.5 * (low + high)
            mean = np.exp(peaked + tilt * centers) @ centers
            low, high = (tilt, high) if mean < 0 else (low, tilt)
        logits: npt.NDArray[np.float32] = (peaked + tilt * centers).astype(np.float32)
        return logits

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        """V, float32 [..., B], of logits, float32 [..., B, K]."""
        _, exponentials = _exponentials(logits)
        total = tf.reduce_sum(exponentials, axis=-1)
        return tf.reduce_sum(exponentials * self._centers, axis=-1) / total

    def histogram(self, target: tf.Tensor) -> tf.Tensor:
        """The mass of a Gaussian around each target in each bin, float32 [B, K].

        Farebrother et al. (2024), section 3.1 (HL-Gauss): its standard deviation is three quarters
        of a bin, and what lies outside the bins is left out. A target outside, float32 [B], counts
        as the nearest edge.
        """
        edges = self._edges
        scale = 1.0 / (math.sqrt(2.0) * _DEVIATION * (edges[1] - edges[0]))
        target = scale * tf.clip_by_value(target, edges[0], edges[-1])[:, None]

        def mass(lower: npt.NDArray[np.float32], upper: npt.NDArray[np.float32]) -> tf.Tensor:
            return tf.math.erf(scale * upper - target) - tf.math.erf(scale * lower - target)

        return mass(edges[:-1], edges[1:]) / mass(edges[:1], edges[-1:])

    def loss(self, logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """The mean cross-entropy of the bins relative to the targets' histograms, float32 [].

        Args:
            logits: float32 [..., B, K].
            target: what V is to be, float32 [B]; no gradient flows through it.
        """
        wanted = self.histogram(tf.stop_gradient(target))
        return tf.reduce_mean(_cross_entropy(logits, wanted))

    def metrics(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """The share of targets, float32 [B], that no V can be: those that lie outside."""
        outside = (target < self._edges[0]) | (target > self._edges[-1])
        return {"value_clipped": tf.reduce_mean(tf.cast(outside, tf.float32))}


def _exponentials(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits less their greatest, and e to the power of these, both float32 [..., K].

    TensorFlow's own softmax takes twice as long on a CPU, and its cross-entropy has one of its own.
    Of these, the graph's optimiser leaves one for the mean and the loss of the same logits.
    """
    shifted = logits - tf.stop_gradient(tf.reduce_max(logits, axis=-1, keepdims=True))
    return shifted, tf.exp(shifted)


@tf.custom_gradient
def _cross_entropy(
    logits: tf.Tensor, wanted: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """−Σ wanted log softmax(logits), float32 [..., B], for logits [..., B, K], wanted [B, K]."""
    shifted, exponentials = _exponentials(logits)
    total = tf.reduce_sum(exponentials, axis=-1)

    def gradient(of_loss: tf.Tensor) -> tuple[tf.Tensor, None]:
        probabilities = exponentials * (1.0 / total)[..., None]
        return (probabilities - wanted) * of_loss[..., None], None

    return tf.math.log(total) - tf.reduce_sum(shifted * wanted, axis=-1), gradient


class CategoricalValue(snt.Module):
    """V(s): the mean of a softmax over bins, zero in every state at the start."""

    def __init__(
        self,
        observations: ObservationSet | int,
        hidden_sizes: Sequence[int],
        *,
        bins: Bins,
        layer_norm: LayerNorm = False,
        residual: bool = False,
        convolutions: Convolutions = "auto",
        name: str = "value",
    ):
        """Makes the network; see `networks.of_observations`."""
        super().__init__(name=name)
        self._bins = bins
        self._network = networks.of_observations(
            observations,
            [*hidden_sizes, bins.number],
            layer_norm=layer_norm,
            residual=residual,
            convolutions=convolutions,
            zero_output=True,
            name="network",
        )
        networks.layers_of(self._network)[-1].biases.assign(bins.start())

    def logits(self, observation: tf.Tensor) -> tf.Tensor:
        """Of the bins, float32 [B, K], for observations, [B, O] or [B, H, W, C]."""
        return self._network(observation)

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns V, float32 [B], for observations, [B, O] or [B, H, W, C]."""
        return self._bins.mean(self.logits(observation))
