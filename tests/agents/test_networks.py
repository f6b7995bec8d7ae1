import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import activations, networks
from quinoa.agents.observations import Image
from quinoa.config.fields import ConfigError


def batch(n=512, size=4, seed=0):
    """Inputs of different means and scales."""
    rng = np.random.default_rng(seed)
    scale, mean = rng.uniform(0.1, 5.0, size), rng.normal(size=size)
    return tf.constant((mean + scale * rng.normal(size=(n, size))).astype(np.float32))


def test_value_is_one_number_a_state():
    value = networks.Value(4, (8, 8))
    assert value(batch(5)).shape == [5]
    assert len(value.trainable_variables) == 6


def test_value_starts_at_zero_in_every_state_and_can_learn():
    value = networks.Value(4, (8, 8))
    assert not np.any(value(1e3 * batch()))
    optimizer = tf.keras.optimizers.legacy.SGD(0.1)
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(value(batch()) - 1.0))
        gradients = tape.gradient(loss, value.trainable_variables)
        optimizer.apply_gradients(zip(gradients, value.trainable_variables, strict=True))
    # The layers below the last learn from the second step on.
    assert all(np.any(gradient != 0) for gradient in gradients)


def test_a_network_with_a_zero_output_has_the_hidden_layers_that_it_would_have_without():
    networks_made = []
    for zero_output in (False, True):
        tf.random.set_seed(0)
        networks_made.append(networks.mlp(4, [8, 8, 2], zero_output=zero_output, name="network"))
    (*hidden, last), (*zero_hidden, zero_last) = map(networks.layers_of, networks_made)
    for layer, zero_layer in zip(hidden, zero_hidden, strict=True):
        np.testing.assert_array_equal(layer.weights, zero_layer.weights)
    assert np.any(last.weights != 0)
    assert not np.any(zero_last.weights != 0)
    # Only the start: it is trained like any other.
    assert len(networks_made[1].trainable_variables) == 6


class TestLayerNorm:
    def test_it_is_the_relu_of_vectors_of_mean_0_and_deviation_1(self):
        inputs = batch(5, size=16)
        deviations = inputs - tf.reduce_mean(inputs, axis=1, keepdims=True)
        normal = deviations / tf.math.reduce_std(inputs, axis=1, keepdims=True)
        found = activations.relu_of_layer_norm(inputs)
        np.testing.assert_allclose(found, np.maximum(normal, 0.0), rtol=1e-3, atol=1e-5)

    def test_its_gradient_is_that_which_tensorflow_finds(self):
        inputs, weights = batch(5, size=16), batch(5, size=16, seed=2)

        def by_tensorflow(x):
            mean, variance = tf.nn.moments(x, [1], keepdims=True)
            epsilon = activations.LAYER_NORM_EPSILON
            return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, None, None, epsilon))

        found = []
        for function in (activations.relu_of_layer_norm, by_tensorflow):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = function(inputs)
            found.append(tape.gradient(outputs, inputs, output_gradients=weights))
        ours, theirs = found
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("size", [0.5, 1e3])
    def test_a_network_with_it_does_not_see_how_large_its_weights_are(self, size):
        network = networks.mlp(4, [8, 8, 2], layer_norm=True, name="network")
        expected = network(batch(5))
        weights = networks.layers_of(network)[1].weights
        weights.assign(size * weights)
        # But for what is added to the variance.
        np.testing.assert_allclose(network(batch(5)), expected, atol=1e-3)

    @pytest.mark.parametrize("hidden", [(8,), (8, 8, 8)])
    def test_it_may_be_of_the_first_layer_alone(self, hidden):
        tf.random.set_seed(0)
        network = networks.mlp(4, [*hidden, 2], layer_norm="first", name="network")
        tf.random.set_seed(0)
        everywhere = networks.mlp(4, [*hidden, 2], layer_norm=True, name="network")
        first, *others, last = networks.layers_of(network)
        expected = activations.relu_of_layer_norm(batch(5) @ first.weights + first.biases)
        for layer in others:
            expected = tf.nn.relu(expected @ layer.weights + layer.biases)
        expected = expected @ last.weights + last.biases
        np.testing.assert_allclose(network(batch(5)), expected, rtol=1e-5, atol=1e-5)
        assert np.allclose(network(batch(5)), everywhere(batch(5)), atol=1e-3) == (not others)
        names = [variable.name for variable in everywhere.trainable_variables]
        assert [variable.name for variable in network.trainable_variables] == names

    def test_of_images_it_is_of_all_layers_or_none(self):
        with pytest.raises(ConfigError, match="layer_norm = 'first' cannot work"):
            networks.of_observations(Image(10, 10, 4, 1), [8, 2], layer_norm="first", name="n")

    def test_values_with_it_start_at_zero(self):
        value = networks.Value(4, (8, 8), layer_norm=True)
        assert not np.any(value(batch()))
        # It has no variables of its own.
        assert len(value.trainable_variables) == 6


def test_action_value_is_one_number_a_state_and_action():
    q = networks.ActionValue(4, 2, (8, 8))
    states, actions = batch(5), batch(5, size=2, seed=1)
    assert q(states, actions).shape == [5]
    assert len(q.trainable_variables) == 6
    # Each row's own, and of both its parts.
    changed = np.flatnonzero(
        q(states, tf.tensor_scatter_nd_add(actions, [[3, 1]], [9.0])) != q(states, actions)
    )
    np.testing.assert_array_equal(changed, [3])
    changed = np.flatnonzero(
        q(tf.tensor_scatter_nd_add(states, [[2, 0]], [9.0]), actions) != q(states, actions)
    )
    np.testing.assert_array_equal(changed, [2])


@pytest.mark.parametrize("hidden", [(), (8,), (8, 8)])
def test_mlp_has_its_variables_at_once(hidden):
    network = networks.mlp(4, [*hidden, 2], name="network")
    assert len(network.trainable_variables) == 2 * (len(hidden) + 1)
    assert network(batch(5)).shape == [5, 2]


def test_relu_and_its_gradients_are_tensorflows_own():
    x = tf.constant([[-2.0, -0.0, 0.0, 1e-30, 3.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        found, expected = activations.relu(x) ** 2, tf.nn.relu(x) ** 2
        also_found, also_expected = 5 * activations.relu(x), 5 * tf.nn.relu(x)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(tape.gradient(found, x), tape.gradient(expected, x))
    np.testing.assert_array_equal(tape.gradient(also_found, x), tape.gradient(also_expected, x))


@pytest.mark.parametrize("layer_norm", [False, True, "first"])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_a_network_is_linear_in_its_features(hidden, layer_norm):
    network = networks.mlp(4, [*hidden, 2], layer_norm=layer_norm, name="network")
    outputs, features = networks.with_features(network, batch(), layer_norm=layer_norm)
    np.testing.assert_allclose(outputs, network(batch()), rtol=1e-5, atol=1e-5)
    last = networks.layers_of(network)[-1]
    np.testing.assert_allclose(features @ last.weights + last.biases, outputs, rtol=1e-5, atol=1e-5)
    assert features.shape[-1] == (hidden[-1] if hidden else 4)


class TestDropout:
    SEED = tf.constant([1, 2])

    @pytest.mark.parametrize("layer_norm", [False, True, "first"])
    def test_at_a_rate_of_zero_it_is_the_network(self, layer_norm):
        network = networks.mlp(4, [8, 8, 2], layer_norm=layer_norm, name="network")
        without = networks.with_dropout(
            network, batch(), layer_norm=layer_norm, rate=0.0, seed=self.SEED
        )
        np.testing.assert_allclose(without, network(batch()), rtol=1e-5, atol=1e-5)

    def test_a_share_of_the_hidden_outputs_is_dropped_and_the_rest_made_larger(self):
        network = networks.mlp(4, [32, 32], name="network")
        first, last = networks.layers_of(network)
        last.weights.assign(tf.eye(32))
        last.biases.assign(tf.zeros(32))
        hidden = activations.relu(batch() @ first.weights + first.biases).numpy()
        dropped, again, other = (
            networks.with_dropout(
                network, batch(), layer_norm=False, rate=0.25, seed=self.SEED + change
            ).numpy()
            for change in (0, 0, 1)
        )
        np.testing.assert_array_equal(dropped, again)
        assert np.any(dropped != other)
        active = hidden > 0
        left = dropped > 0
        assert np.mean(left[active]) == pytest.approx(0.75, abs=0.02)
        np.testing.assert_allclose(dropped[left], hidden[left] / 0.75, rtol=1e-5)


class TestSecondDerivatives:
    @staticmethod
    def second(function, inputs):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = function(inputs)
            gradient = inner.gradient(outputs, inputs)
        return outer.gradient(gradient, inputs)

    @pytest.mark.parametrize("traced", [False, True])
    @pytest.mark.parametrize("layer_norm", [False, True])
    def test_of_a_relu_they_are_refused_and_not_0(self, layer_norm, traced):
        network = networks.mlp(4, [8, 8, 1], layer_norm=layer_norm, name="network")
        find = self.second
        if traced:
            find = tf.function(find, autograph=False)
        with pytest.raises(activations.SecondDerivativeError, match="smooth activation"):
            find(network, batch(5))

    @pytest.mark.parametrize("layer_norm", [False, True])
    def test_first_derivatives_may_be_taken_within_another_tape(self, layer_norm):
        network = networks.mlp(4, [8, 1], layer_norm=layer_norm, name="network")
        inputs = batch(5)
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(inputs)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = network(inputs)
            gradient = tape.gradient(outputs, inputs)
            moved = tf.reduce_sum(network(inputs + tf.stop_gradient(gradient)))
        assert np.any(outer.gradient(moved, inputs) != 0)

    @pytest.mark.parametrize("activation", ["elu", "softplus", "tanh"])
    def test_of_smooth_activations_they_are_those_of_finite_differences(self, activation):
        tf.random.set_seed(0)
        network = networks.mlp(1, [16, 16, 1], activation=activation, name="network")
        for variable in network.variables:
            variable.assign(2.0 * variable)
        inputs = tf.constant(np.linspace(-2.0, 2.0, 8, dtype=np.float32)[:, None])
        found = self.second(network, inputs)
        step = 0.05
        lower, middle, upper = (network(inputs + shift) for shift in (-step, 0.0, step))
        expected = (lower - 2.0 * middle + upper) / step**2
        assert np.abs(expected).max() > 0.05
        # Finite differences are not exact, and ELU's second derivative jumps at 0.
        assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()

    def test_there_is_no_other_activation_nor_one_beside_layer_norm(self):
        with pytest.raises(ValueError, match="relu, elu, softplus, tanh, not 'swish'"):
            networks.mlp(1, [4, 1], activation="swish", name="network")
        with pytest.raises(ValueError, match="relu, with layer_norm, not 'elu'"):
            networks.mlp(1, [4, 1], activation="elu", layer_norm=True, name="network")
