"""SimBa's network: residual blocks with layer normalisation, for vectors.

Lee et al. (2024), "SimBa: Simplicity Bias for Scaling Up Parameters in Deep Reinforcement
Learning", section 4. Its normalisation of observations is the setting `normalize_observations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sonnet as snt
import tensorflow as tf

from quinoa.agents.activations import LAYER_NORM_EPSILON, Activation, relu
from quinoa.agents.numpy_form import Layer

# A block's hidden layer has so many times the units of its input.
EXPANSION = 4


@tf.custom_gradient
def layer_norm(inputs: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """(x − mean(x)) / deviation(x), over each vector x, float32 [B, D].

    Without gain and bias: a linear layer follows each, whose weights and biases do the same. See
    `quinoa.agents.activations.relu_of_layer_norm`.
    """
    centred = inputs - _row_mean(inputs)
    over_deviation = tf.math.rsqrt(_row_mean(tf.square(centred)) + LAYER_NORM_EPSILON)
    normal = centred * over_deviation

    def gradient(of_normal: tf.Tensor) -> tf.Tensor:
        along = normal * _row_mean(of_normal * normal)
        return (of_normal - _row_mean(of_normal) - along) * over_deviation

    return normal, gradient


def _row_mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=-1, keepdims=True)


class ResidualNetwork(snt.Module):
    """A linear embedding, residual blocks, layer normalisation and a linear output.

    With x₀ = W₀ s + b₀, the blocks are (the paper's Eq. 6)

        x_{l+1} = x_l + W″ max(W′ LN(x_l) + b′, 0) + b″,

    where W′ has `EXPANSION` times as many outputs as inputs, and the output is W LN(x_L) + b (Eq.
    7). Embedding and output start orthogonal, and the blocks' weights at random with the variance
    2 / inputs (He et al., 2015), as in the authors' code; biases start at 0.
    """

    def __init__(self, input_size: int, layer_sizes: Sequence[int], *, name: str):
        """Makes a network [B, input_size] → [B, layer_sizes[-1]], with its variables created.

        Args:
            input_size: the length of the input vectors.
            layer_sizes: the width of each block, which are all the same, and the output.
            name: the module's name.

        Raises:
            ValueError: there is no block, or their widths differ.
        """
        super().__init__(name=name)
        *widths, output_size = layer_sizes
        if len(set(widths)) != 1:
            raise ValueError(
                f"A residual network has one block or more, all of one width: not {widths}."
            )
        width = widths[0]
        orthogonal = snt.initializers.Orthogonal()
        he = snt.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")
        self._layers = [snt.Linear(width, w_init=orthogonal, name="embedding")]
        for index in range(len(widths)):
            self._layers += [
                snt.Linear(EXPANSION * width, w_init=he, name=f"block_{index}_in"),
                snt.Linear(width, w_init=he, name=f"block_{index}_out"),
            ]
        self._layers.append(snt.Linear(output_size, w_init=orthogonal, name="output"))
        self(tf.zeros([1, input_size]))

    def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns float32 [B, output_size] for inputs, float32 [B, input_size]."""
        return self.with_features(inputs)[0]

    def with_features(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What a call returns, and the last hidden layer, float32 [B, width]."""
        embedding, *blocks, output = self._layers
        x = embedding(inputs)
        # AutoGraph, which may convert this, knows no strict zip.
        for first, second in zip(blocks[::2], blocks[1::2]):  # noqa: B905
            x += second(relu(first(layer_norm(x))))
        features = layer_norm(x)
        return output(features), features

    def layers(self) -> list[Layer]:
        """Its layers by their variables: embedding, two a block, output."""
        return [Layer(layer.w, layer.b) for layer in self._layers]

    def settings(self) -> dict[str, npt.NDArray[Any]]:
        """What its NumPy form says of it besides its layers."""
        return {"residual": np.array(True)}
