import pickle

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from quinoa.agents import networks, weight_norm
from quinoa.agents.batch_norm import BatchNormMLP
from quinoa.agents.numpy_form import FormLayout, Layer, NumpyForm
from quinoa.agents.parameter_vector import flatten


class Networks(snt.Module):
    """A network of each kind, as much of a policy as a form needs."""

    def __init__(self):
        super().__init__()
        self.normalized = weight_norm.WeightNormMLP(3, [4, 5, 2])
        self.plain = networks.mlp(3, [6, 2], name="plain")
        self.batch_normalized = BatchNormMLP(3, [7, 2])
        for index, variable in enumerate(self.variables):
            # Variances are above 0.
            numbers = tf.random.stateless_normal(variable.shape, [index, 1])
            variable.assign(tf.abs(numbers) if "variance" in variable.name else numbers)

    def form(self):
        return NumpyForm(
            {"kind": np.array("two")},
            {
                "a": networks.layers_of(self.plain),
                "b": self.normalized.layers(),
                "c": self.batch_normalized.layers(),
            },
        )


def product(arrays, name, count, inputs):
    for index in range(count):
        if index:
            inputs = np.maximum(inputs, 0)
        inputs = inputs @ arrays[f"{name}.{index}.w"] + arrays[f"{name}.{index}.b"]
    return inputs


def test_the_layers_compute_what_those_of_the_policy_do():
    policy = Networks()
    # It is sent to other processes.
    layout = pickle.loads(pickle.dumps(FormLayout(policy.form(), policy)))
    arrays = layout.make()
    assert str(arrays["kind"]) == "two"
    layout.write(flatten(policy), arrays)
    inputs = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    for network, name, count in (
        (policy.plain, "a", 2),
        (policy.normalized, "b", 3),
        (policy.batch_normalized, "c", 2),
    ):
        outputs = product(arrays, name, count, inputs)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, network(tf.constant(inputs)), rtol=1e-4, atol=1e-5)


def test_parameters_are_written_in_place_and_nothing_is_left_of_those_before():
    policy = Networks()
    layout = FormLayout(policy.form(), policy)
    arrays, others = layout.make(), layout.make()
    before = {name: array for name, array in arrays.items()}
    layout.write(flatten(policy), others)
    layout.write(flatten(Networks()) + 3.0, arrays)
    layout.write(flatten(policy), arrays)
    for name, array in arrays.items():
        assert array is before[name]
        np.testing.assert_array_equal(array, others[name])


def test_parameters_of_another_size_are_refused():
    policy = Networks()
    layout = FormLayout(policy.form(), policy)
    with pytest.raises(ValueError, match="another agent, configuration or environment"):
        layout.write(flatten(policy)[1:], layout.make())


def test_variables_that_are_not_the_policys_are_refused():
    policy = Networks()
    own = tf.Variable(tf.zeros([3, 2]), name="own")
    form = NumpyForm({}, {"a": [Layer(own, tf.Variable(tf.zeros([2])))]})
    with pytest.raises(ValueError, match=r"Networks.numpy_form has the variable own:0"):
        FormLayout(form, policy)
