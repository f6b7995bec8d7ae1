import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import weight_norm
from tests.agents.test_networks import batch


class TestWeightNormLinear:
    def test_is_equation_2(self):
        layer = weight_norm.WeightNormLinear(4, 3)
        layer.g.assign([0.5, 1.0, -2.0])
        layer.b.assign([0.0, 1.0, 2.0])
        inputs = batch(7)
        direction = layer.v.numpy() / np.linalg.norm(layer.v, axis=0)
        expected = inputs @ (layer.g.numpy() * direction) + layer.b.numpy()
        np.testing.assert_allclose(layer(inputs), expected, rtol=1e-4, atol=1e-5)

    def test_length_of_v_changes_nothing(self):
        layer = weight_norm.WeightNormLinear(4, 3)
        before = layer(batch(7))
        layer.v.assign(3.0 * layer.v)
        np.testing.assert_allclose(layer(batch(7)), before, rtol=1e-4, atol=1e-5)

    def test_initialise_gives_mean_zero_and_variance_one_on_the_batch(self):
        layer = weight_norm.WeightNormLinear(4, 3)
        layer.g.assign([7.0, -3.0, 0.0])
        layer.b.assign([1.0, 2.0, 3.0])
        outputs = layer.initialize(batch())
        np.testing.assert_allclose(outputs, layer(batch()))
        np.testing.assert_allclose(np.mean(outputs, axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(np.var(outputs, axis=0), 1.0, atol=1e-4)

    @pytest.mark.parametrize("size", [1.0, 54321.1])
    def test_a_unit_that_does_not_vary_keeps_its_length(self, size):
        layer = weight_norm.WeightNormLinear(4, 3)
        outputs = layer.initialize(tf.fill([256, 4], size))
        np.testing.assert_array_equal(layer.g, np.ones(3))
        np.testing.assert_allclose(outputs, np.zeros([256, 3]), atol=1e-5 * size)

    def test_a_zero_layer_stays_zero_and_can_learn(self):
        layer = weight_norm.WeightNormLinear(4, 3, zero=True)
        assert not np.any(layer(batch()))
        assert not np.any(layer.initialize(batch()))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(batch()) - 1.0))
        gradients = tape.gradient(loss, [layer.g, layer.b])
        assert all(np.all(gradient != 0) for gradient in gradients)


class TestWeightNormMLP:
    def test_starts_at_zero_whatever_the_input(self):
        network = weight_norm.WeightNormMLP(4, [8, 8, 2])
        assert network(batch(5)).shape == [5, 2]
        assert not np.any(network(batch()))
        network.initialize(batch())
        assert not np.any(network(1e3 * batch(seed=1)))

    def test_initialise_normalises_every_hidden_layer(self):
        seen = []

        def activation(x):
            seen.append(x.numpy())
            return tf.nn.elu(x)

        network = weight_norm.WeightNormMLP(4, [8, 8, 2], activation=activation)
        network.initialize(batch())
        seen.clear()
        network(batch())
        assert len(seen) == 2
        for outputs in seen:
            np.testing.assert_allclose(outputs.mean(axis=0), 0.0, atol=1e-5)
            np.testing.assert_allclose(outputs.var(axis=0), 1.0, atol=1e-4)

    def test_every_variable_is_trainable(self):
        network = weight_norm.WeightNormMLP(4, [8, 2])
        assert len(network.trainable_variables) == 6

    def test_gradients_are_finite_in_extreme_states(self):
        network = weight_norm.WeightNormMLP(4, [8, 8, 2])
        for variable in network.variables:
            variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2]))
        for scale in (0.0, 1e6):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(network(scale * batch()))
            for gradient in tape.gradient(loss, network.trainable_variables):
                assert np.all(np.isfinite(gradient))
