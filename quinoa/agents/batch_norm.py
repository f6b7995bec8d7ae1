"""Batch renormalisation before each layer of a network, and the running statistics that it keeps.

Ioffe & Szegedy (2015), "Batch Normalization"; Ioffe (2017), "Batch Renormalization: Towards
Reducing Minibatch Dependence in Batch-Normalized Models", Algorithm 1. The constants are those of
CrossQ's authors (Bhatt et al., 2024; their code).

A network is used in two modes. In inference each vector is normalised by the running statistics,
so its output depends on it alone. In training a batch is normalised by its own mean and variance,
and the gradient goes through these. A training pass moves nothing: it returns the moments that it
has seen, and `BatchNormMLP.follow` moves the running statistics by them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import sonnet as snt
import tensorflow as tf

from quinoa.agents import activations
from quinoa.agents.numpy_form import Layer, Normalization

# What is added to each variance.
EPSILON = 1e-3
# How far r may be from 1, as a factor, and d from 0: what Ioffe's section 4 ends with.
MAX_R, MAX_D = 3.0, 5.0


class Moments(NamedTuple):
    """Of a batch of vectors, dimension by dimension.

    Attributes:
        mean: float32 [D].
        variance: float32 [D], the mean square of the distance from the mean.
    """

    mean: tf.Tensor
    variance: tf.Tensor


@tf.custom_gradient
def batch_renorm(
    inputs: tf.Tensor,
    gain: tf.Tensor,
    offset: tf.Tensor,
    running_mean: tf.Tensor,
    running_variance: tf.Tensor,
    share: tf.Tensor,
) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor | None, ...]]]:
    """Y = γ (r (x − μ) / σ + d) + β, with the batch's own μ and σ (Ioffe, 2017, Algorithm 1).

    r = σ / σ_run and d = (μ − μ_run) / σ_run, clipped to [1/3, 3] and [−5, 5]; no gradient goes
    through them. Where neither is clipped, y is what the running statistics give. TensorFlow's own
    gradient of this takes longer (docs/algorithms/crossq.md).

    Args:
        inputs: x, float32 [B, D].
        gain: γ, float32 [D].
        offset: β, float32 [D].
        running_mean: μ_run, float32 [D].
        running_variance: σ_run² less `EPSILON`, float32 [D].
        share: float32 [], 1 or 0: with 0, r = 1 and d = 0, which is plain batch normalisation.

    Returns:
        y, float32 [B, D]; the batch's mean and variance, float32 [D], without a gradient.
    """
    mean = tf.reduce_mean(inputs, axis=0)
    centred = inputs - mean
    variance = tf.reduce_mean(tf.square(centred), axis=0)
    over_deviation = tf.math.rsqrt(variance + EPSILON)
    over_running = tf.math.rsqrt(running_variance + EPSILON)
    r = tf.clip_by_value(over_running / over_deviation, 1.0 / MAX_R, MAX_R)
    r = share * r + (1.0 - share)
    d = share * tf.clip_by_value((mean - running_mean) * over_running, -MAX_D, MAX_D)
    scale = gain * r * over_deviation
    outputs = centred * scale + (gain * d + offset)

    def gradient(
        of_outputs: tf.Tensor, of_mean: tf.Tensor, of_variance: tf.Tensor
    ) -> tuple[tf.Tensor | None, ...]:
        del of_mean, of_variance
        total = tf.reduce_sum(of_outputs, axis=0)
        along = tf.reduce_sum(of_outputs * centred, axis=0)
        over_size = 1.0 / tf.cast(tf.shape(inputs)[0], tf.float32)
        pull = centred * (tf.square(over_deviation) * along * over_size)
        of_inputs = (of_outputs - pull - total * over_size) * scale
        return of_inputs, r * over_deviation * along + d * total, total, None, None, None

    return (outputs, mean, variance), gradient


class BatchRenorm(snt.Module):
    """Batch renormalisation of vectors, with its running statistics."""

    def __init__(self, size: int, name: str = "batch_renorm"):
        """Makes γ = 1, β = 0 and running statistics of mean 0 and variance 1, for [B, size]."""
        super().__init__(name=name)
        self._gain = tf.Variable(tf.ones([size]), name="gain")
        self._offset = tf.Variable(tf.zeros([size]), name="offset")
        self._mean = tf.Variable(tf.zeros([size]), trainable=False, name="mean")
        self._variance = tf.Variable(tf.ones([size]), trainable=False, name="variance")

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises x, float32 [B, D], by the running statistics."""
        scale = self._gain * tf.math.rsqrt(self._variance + EPSILON)
        return (inputs - self._mean) * scale + self._offset

    def in_training(self, inputs: tf.Tensor, share: tf.Tensor) -> tuple[tf.Tensor, Moments]:
        """Normalises x, float32 [B, D], by its own statistics: see `batch_renorm`."""
        outputs, mean, variance = batch_renorm(
            inputs, self._gain, self._offset, self._mean, self._variance, share
        )
        return outputs, Moments(mean, variance)

    def follow(self, moments: Moments, rate: float) -> None:
        """Moves the running statistics by `rate` of the way to a batch's moments."""
        self._mean.assign_add(rate * (moments.mean - self._mean))
        self._variance.assign_add(rate * (moments.variance - self._variance))

    @property
    def normalization(self) -> Normalization:
        """The normalisation of inference by its variables."""
        return Normalization(self._mean, self._variance, self._gain, self._offset, EPSILON)


class _Layer(NamedTuple):
    norm: BatchRenorm
    linear: snt.Linear


class BatchNormMLP(snt.Module):
    """A ReLU network with batch renormalisation before each layer, the first one included.

    So it comes after each ReLU, as in CrossQ's code.
    """

    def __init__(self, input_size: int, layer_sizes: Sequence[int], name: str = "network"):
        """Makes the network [B, input_size] → [B, layer_sizes[-1]] with its variables created."""
        super().__init__(name=name)
        self._layers = [
            _make_layer(inputs, outputs)
            for inputs, outputs in itertools.pairwise([input_size, *layer_sizes])
        ]

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, layer_sizes[-1]] for [B, input_size], by the running statistics."""
        first, *others = self._layers
        outputs = first.linear(first.norm(inputs))
        for norm, linear in others:
            outputs = linear(norm(activations.relu(outputs)))
        return outputs

    def in_training(self, inputs: tf.Tensor, share: tf.Tensor) -> tuple[tf.Tensor, list[Moments]]:
        """Normalises each layer's inputs by the batch's statistics.

        Args:
            inputs: float32 [B, input_size].
            share: see `batch_renorm`.

        Returns:
            Float32 [B, layer_sizes[-1]], and the moments that `follow` takes, layer by layer.
        """
        found: list[Moments] = []
        outputs = inputs
        for norm, linear in self._layers:
            normal, moments = norm.in_training(
                activations.relu(outputs) if found else outputs, share
            )
            found.append(moments)
            outputs = linear(normal)
        return outputs, found

    def follow(self, moments: Sequence[Moments], rate: float) -> None:
        """Moves the running statistics by `rate` of the way to what `in_training` has found."""
        for layer, found in zip(self._layers, moments):  # noqa: B905 - AutoGraph knows no strict
            layer.norm.follow(found, rate)

    def layers(self) -> list[Layer]:
        """The layers by their variables, the first one first."""
        return [
            Layer(linear.w, linear.b, normalization=norm.normalization)
            for norm, linear in self._layers
        ]


def _make_layer(input_size: int, output_size: int) -> _Layer:
    """A layer with its variables created."""
    linear = snt.Linear(output_size)
    linear(tf.zeros([1, input_size]))
    return _Layer(BatchRenorm(input_size), linear)
