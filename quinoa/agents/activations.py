"""Activations of hidden layers, with gradients that are faster than TensorFlow's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

Activation = Callable[[tf.Tensor], tf.Tensor]
# What is added to the variance in a layer normalisation, as in Haiku's and Flax' (1e-5, 1e-6).
LAYER_NORM_EPSILON = 1e-5


class SecondDerivativeError(ValueError):
    """A second derivative was asked for of a function that has none here."""


@tf.custom_gradient
def _differentiated_once(values: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """The same values, in a derivative of which no derivative is to be taken."""

    def gradient(of_values: tf.Tensor) -> tf.Tensor:
        del of_values
        raise SecondDerivativeError(
            "A second derivative goes through a ReLU, of which it is 0 wherever it is defined: a "
            "Hessian of such a network would say nothing. Give the network a smooth activation "
            "(networks.mlp(activation='softplus'), or 'elu' or 'tanh'), without layer_norm."
        )

    return values, gradient


@tf.custom_gradient
def relu(inputs: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """max(x, 0), of any shape.

    TensorFlow's own gradient of it takes four times as long on a CPU as the product here does, and
    was a twelfth of IQ's gradient step.

    Its gradient raises `SecondDerivativeError` where a derivative of it by the inputs is taken.
    """
    outputs = tf.nn.relu(inputs)
    return outputs, lambda gradient: gradient * tf.sign(_differentiated_once(outputs))


@tf.custom_gradient
def relu_of_layer_norm(inputs: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    """max((x − mean(x)) / deviation(x), 0), over each vector x, float32 [B, D].

    Ba, Kiros & Hinton (2016), "Layer Normalization", Eq. 4, without its gain and bias, as Xu et al.
    (2019), "Understanding and Improving Layer Normalization", have it in section 3. Between two
    linear layers they add no function: the first layer's biases and the second's weights do the
    same. They would add half as much again to the time. What TensorFlow makes of the gradient takes
    half as long again, too. A derivative of the gradient is an error, as of `relu`.
    """
    centred = inputs - _row_mean(inputs)
    over_deviation = tf.math.rsqrt(_row_mean(tf.square(centred)) + LAYER_NORM_EPSILON)
    normal = centred * over_deviation
    outputs = tf.nn.relu(normal)

    def gradient(of_outputs: tf.Tensor) -> tf.Tensor:
        fixed = _differentiated_once(outputs)
        of_normal = of_outputs * tf.sign(fixed)
        along = normal * _row_mean(of_normal * fixed)
        return (of_normal - _row_mean(of_normal) - along) * over_deviation

    return outputs, gradient


# By the names that settings have. All but the first have second derivatives.
BY_NAME: Mapping[str, Activation] = {
    "relu": relu,
    "elu": tf.nn.elu,
    "softplus": tf.nn.softplus,
    "tanh": tf.tanh,
}


def _row_mean(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=-1, keepdims=True)
