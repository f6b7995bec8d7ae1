"""A policy takes only a vector of its own size."""

import numpy as np
import pytest

from quinoa.agents import iq
from quinoa.agents.parameter_vector import fingerprint, flatten, unflatten
from tests.agents.fixtures import make_spec


def make_policy():
    return iq.Agent.make_policy(iq.Agent.Config(hidden_sizes=(4,)), make_spec())


def test_a_vector_carries_the_parameters_to_another_policy():
    first, second = make_policy(), make_policy()
    parameters = flatten(first)
    assert fingerprint(parameters) != fingerprint(flatten(second))
    unflatten(second, parameters)
    np.testing.assert_array_equal(flatten(second), parameters)
    assert fingerprint(flatten(second)) == fingerprint(parameters)


@pytest.mark.parametrize("change", [lambda p: p[:-1], lambda p: np.append(p, p[:1])])
def test_another_size_is_refused_and_changes_nothing(change):
    policy = make_policy()
    before = flatten(policy)
    with pytest.raises(ValueError, match="another agent, configuration or environment"):
        unflatten(policy, change(before) + 1.0)
    np.testing.assert_array_equal(flatten(policy), before)
