import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.convolutions import ConvolutionalNetwork, chosen_trunk
from quinoa.agents.observations import Image
from quinoa.config.fields import ConfigError

BOARD = Image(10, 10, 4, maximum=1)


def images(image, number=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, image.maximum, (number, *image.shape), np.uint8, endpoint=True)


@pytest.mark.parametrize(
    ("image", "shapes"),
    [
        (BOARD, [(3, 3, 4, 16), (1024, 128), (128, 6)]),
        (Image(35, 84, 4), [(3, 3, 4, 16), (33 * 82 * 16, 128), (128, 6)]),
        (
            Image(84, 84, 4),
            [(8, 8, 4, 32), (4, 4, 32, 64), (3, 3, 64, 64), (3136, 512), (512, 6)],
        ),
        (
            Image(36, 36, 1),
            [(8, 8, 1, 32), (4, 4, 32, 64), (3, 3, 64, 64), (64, 512), (512, 6)],
        ),
    ],
)
def test_the_layers_are_those_of_the_papers_by_the_size_of_images(image, shapes):
    network = ConvolutionalNetwork(image, 6)
    assert [tuple(layer.weights.shape) for layer in network.layers()] == shapes
    assert network(images(image)).shape == (5, 6)
    assert len(network.trainable_variables) == 2 * len(shapes)


def test_a_trunk_may_be_named_and_must_fit():
    network = ConvolutionalNetwork(Image(42, 42, 4), 6, convolutions="a3c")
    assert [tuple(layer.weights.shape) for layer in network.layers()] == [
        (8, 8, 4, 16),
        (4, 4, 16, 32),
        (3 * 3 * 32, 256),
        (256, 6),
    ]
    assert chosen_trunk(Image(84, 84, 4), "minatar").hidden_size == 128
    with pytest.raises(ConfigError, match=r"of 10 × 10, and it takes 36 × 36"):
        ConvolutionalNetwork(BOARD, 6, convolutions="nature")
    with pytest.raises(ConfigError, match=r"of 10 × 10, and it takes 20 × 20"):
        ConvolutionalNetwork(BOARD, 6, convolutions="a3c")
    with pytest.raises(ConfigError, match=r"convolutions = 'minatar' .* takes 3 × 3"):
        ConvolutionalNetwork(Image(2, 8, 1), 6)


def test_pixels_are_divided_by_the_greatest():
    network = ConvolutionalNetwork(BOARD, 6)
    bright = ConvolutionalNetwork(Image(10, 10, 4, maximum=200), 6)
    for ours, theirs in zip(bright.variables, network.variables, strict=True):
        ours.assign(theirs)
    board = images(BOARD)
    np.testing.assert_allclose(bright(200 * board), network(board), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_it_is_what_its_layers_make_one_after_the_other(layer_norm):
    network = ConvolutionalNetwork(BOARD, 6, layer_norm=layer_norm)
    board = images(BOARD)
    outputs, features = network.with_features(board)
    activation = tf.nn.relu
    if layer_norm:

        def activation(x):
            mean, variance = tf.nn.moments(x, [-1], keepdims=True)
            return tf.nn.relu((x - mean) * tf.math.rsqrt(variance + 1e-5))

    convolution, hidden, last = network.layers()
    x = tf.nn.conv2d(tf.cast(board, tf.float32), convolution.weights, 1, "VALID")
    x = tf.reshape(activation(x + convolution.biases), [5, -1])
    x = activation(x @ hidden.weights + hidden.biases)
    np.testing.assert_allclose(features, x, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(outputs, x @ last.weights + last.biases, rtol=1e-4, atol=1e-4)


def test_a_value_of_images_starts_at_zero_and_learns():
    value = networks.Value(BOARD, (8, 8))
    board = images(BOARD)
    np.testing.assert_array_equal(value(board), np.zeros(5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(value(board) - 1.0))
    gradients = tape.gradient(loss, value.trainable_variables)
    assert len(gradients) == 6 and all(gradient is not None for gradient in gradients)


def test_a_standardised_trunk_sees_neither_brightness_nor_contrast():
    image = Image(42, 42, 4)
    network = ConvolutionalNetwork(image, 6, convolutions="a3c_standardized")
    plain = ConvolutionalNetwork(image, 6, convolutions="a3c")
    assert [layer.weights.shape for layer in network.layers()] == [
        layer.weights.shape for layer in plain.layers()
    ]
    dark = np.random.default_rng(0).integers(0, 100, (5, *image.shape), np.uint8)
    np.testing.assert_allclose(network(dark), network(2 * dark + 30), atol=1e-5)
    assert np.abs(plain(dark) - plain(2 * dark + 30)).max() > 1e-2
    # One value throughout is no reason for a division by 0.
    assert np.isfinite(network(np.full((1, *image.shape), 7, np.uint8))).all()


def test_a_standardised_trunk_starts_orthogonal():
    network = ConvolutionalNetwork(Image(42, 42, 4), 6, convolutions="a3c_standardized")
    *layers, _ = network.layers()
    for layer in layers:
        matrix = layer.weights.numpy().reshape(-1, layer.weights.shape[-1])
        if matrix.shape[0] < matrix.shape[1]:
            matrix = matrix.T
        np.testing.assert_allclose(matrix.T @ matrix, 2.0 * np.eye(matrix.shape[1]), atol=1e-4)
