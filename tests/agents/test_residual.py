import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import dqn, iq, networks, residual, sac, svg0
from quinoa.agents.observations import Image
from quinoa.config.fields import ConfigError
from tests.agents.test_networks import batch


def normal(x):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


class TestLayerNorm:
    def test_vectors_have_mean_0_and_deviation_1(self):
        outputs = residual.layer_norm(batch(5, size=16)).numpy()
        np.testing.assert_allclose(outputs, normal(batch(5, size=16).numpy()), atol=1e-5)
        np.testing.assert_allclose(outputs.std(axis=1), 1.0, atol=1e-3)

    def test_its_gradient_is_that_which_tensorflow_finds(self):
        inputs, weights = batch(5, size=16), batch(5, size=16, seed=2)

        def by_tensorflow(x):
            mean, variance = tf.nn.moments(x, [1], keepdims=True)
            return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5)

        found = []
        for function in (residual.layer_norm, by_tensorflow):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = function(inputs)
            found.append(tape.gradient(outputs, inputs, output_gradients=weights))
        ours, theirs = found
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


class TestNetwork:
    def test_it_is_the_equations(self):
        network = residual.ResidualNetwork(4, [8, 8, 2], name="network")
        rng = np.random.default_rng(0)
        for variable in network.trainable_variables:
            variable.assign_add(rng.normal(size=variable.shape))
        layers = [(layer.weights.numpy(), layer.biases.numpy()) for layer in network.layers()]
        shapes = [weights.shape for weights, _ in layers]
        assert shapes == [(4, 8), (8, 32), (32, 8), (8, 32), (32, 8), (8, 2)]
        x = batch(5).numpy() @ layers[0][0] + layers[0][1]
        for (w_in, b_in), (w_out, b_out) in (layers[1:3], layers[3:5]):
            x = x + np.maximum(normal(x) @ w_in + b_in, 0.0) @ w_out + b_out
        expected = normal(x) @ layers[5][0] + layers[5][1]
        np.testing.assert_allclose(network(batch(5)), expected, rtol=1e-3, atol=1e-4)

    def test_how_it_starts(self):
        network = residual.ResidualNetwork(16, [64, 64, 8], name="network")
        embedding, *blocks, output = (layer.weights.numpy() for layer in network.layers())
        np.testing.assert_allclose(embedding @ embedding.T, np.eye(16), atol=1e-5)
        np.testing.assert_allclose(output.T @ output, np.eye(8), atol=1e-5)
        for weights in blocks:
            assert weights.std() == pytest.approx(math.sqrt(2.0 / weights.shape[0]), rel=0.05)
        assert not any(np.any(layer.biases != 0.0) for layer in network.layers())

    def test_it_is_linear_in_its_features(self):
        network = networks.mlp(4, [8, 8, 2], residual=True, name="network")
        outputs, features = networks.with_features(network, batch(), layer_norm=False)
        np.testing.assert_array_equal(outputs, network(batch()))
        last = networks.layers_of(network)[-1]
        assert features.shape[-1] == 8
        np.testing.assert_allclose(features @ last.weights + last.biases, outputs, atol=1e-5)

    @pytest.mark.parametrize("sizes", [[2], [8, 16, 2]])
    def test_other_sizes_are_refused(self, sizes):
        with pytest.raises(ValueError, match="one width"):
            residual.ResidualNetwork(4, sizes, name="network")

    def test_a_value_of_it_starts_at_zero(self):
        value = networks.Value(4, (8, 8), residual=True)
        assert not np.any(value(batch()))
        assert len(value.trainable_variables) == 12


@pytest.mark.parametrize("module", [dqn, iq, sac, svg0])
@pytest.mark.parametrize(
    "settings",
    [{"hidden_sizes": (8, 16)}, {"hidden_sizes": ()}, {"layer_norm": True}],
    ids=["widths", "none", "layer-norm"],
)
def test_settings_that_do_not_go_with_it_are_refused(module, settings):
    module.Config(network="simba", hidden_sizes=(8, 8))
    with pytest.raises(ConfigError, match=next(iter(settings))):
        module.Config(network="simba", **settings)


def test_images_have_none():
    with pytest.raises(ConfigError, match=r"network = 'simba' cannot work.*images"):
        networks.of_observations(Image(10, 10, 4), [8, 2], residual=True, name="network")
