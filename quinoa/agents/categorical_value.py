"""V(s) as the mean of a categorical distribution over bins, learned as a classification.

Imani & White (2018), "Improving Regression Performance with Distributional Losses", and Farebrother
et al. (2024), "Stop Regressing: Training Value Functions via Classification for Scalable Deep RL":
the target, a number, becomes a Gaussian's histogram (HL-Gauss), and the loss is the cross-entropy.
The gradient then does not grow with the error, so that values which differ by tens and by
hundredths are learned at one rate. Neither IQ's paper nor Quinoa's has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.config import Convolutions
from quinoa.agents.observations import ObservationSet

# The Gaussian's standard deviation, in bins (Farebrother et al., section 3.1): most of its mass is
# in six of them.
_DEVIATION = 0.75
# At the start probabilities fall by a factor e in so many bins from 0 on, to either side.
_START_SCALE = 1.5


class Bins:
    """Bins of one width in [−limit, limit], and what V and its loss are over them.

    Attributes:
        number: K.
    """

    def __init__(self, number: int, limit: float):
        """Makes them.

        Args:
            number: K, at least 2.
            limit: where they end, above 0.
        """
        self.number = number
        self._edges = np.linspace(-limit, limit, number + 1, dtype=np.float32)
        self._centers = 0.5 * (self._edges[1:] + self._edges[:-1])

    def start(self) -> npt.NDArray[np.float32]:
        """Logits with which V is 0, float32 [K]: probabilities are largest in the middle.

        Were all the same, small changes of the far bins' would move V by much.
        """
        width = self._edges[1] - self._edges[0]
        logits: npt.NDArray[np.float32] = -np.abs(self._centers) / (_START_SCALE * width)
        return logits

    def mean(self, logits: tf.Tensor) -> tf.Tensor:
        """V, float32 [..., B], of logits, float32 [..., B, K]."""
        return tf.linalg.matvec(tf.nn.softmax(logits), self._centers)

    def histogram(self, target: tf.Tensor) -> tf.Tensor:
        """The mass of a Gaussian around each target in each bin, float32 [B, K].

        Farebrother et al. (2024), section 3.1 (HL-Gauss): its standard deviation is three quarters
        of a bin, and what lies outside the bins is left out. A target outside, float32 [B], counts
        as the nearest edge.
        """
        edges = self._edges
        deviation = _DEVIATION * (edges[1] - edges[0])
        target = tf.clip_by_value(target, edges[0], edges[-1])
        cumulative = tf.math.erf((edges - target[:, None]) / (math.sqrt(2.0) * deviation))
        mass = cumulative[:, 1:] - cumulative[:, :-1]
        return mass / tf.reduce_sum(mass, axis=-1, keepdims=True)

    def loss(self, logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """The mean cross-entropy of the bins relative to the targets' histograms, float32 [].

        Args:
            logits: float32 [..., B, K].
            target: what V is to be, float32 [B]; no gradient flows through it.
        """
        wanted = self.histogram(tf.stop_gradient(target))
        wanted = tf.broadcast_to(wanted, tf.shape(logits))
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))

    def metrics(self, target: tf.Tensor) -> dict[str, tf.Tensor]:
        """The share of targets, float32 [B], that no V can be: those that lie outside."""
        outside = tf.abs(target) > self._edges[-1]
        return {"value_clipped": tf.reduce_mean(tf.cast(outside, tf.float32))}


class CategoricalValue(snt.Module):
    """V(s): the mean of a softmax over bins, zero in every state at the start."""

    def __init__(
        self,
        observations: ObservationSet | int,
        hidden_sizes: Sequence[int],
        *,
        bins: Bins,
        layer_norm: bool = False,
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
