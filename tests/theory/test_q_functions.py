import numpy as np
import pytest

from quinoa.theory import complex_step, q_functions
from tests.theory import problems


@pytest.mark.parametrize("name", problems.Q_FUNCTIONS)
def test_every_parameter_matters_and_derivatives_are_those_of_differences(name):
    problem = problems.make(0, q_function=name)
    assert problem.q.shape == (problems.S, problems.A)
    assert problem.dq.shape == (problems.S, problems.A, problem.theta.size)
    assert np.all(np.max(np.abs(problem.dq), axis=(0, 1)) > 1e-3)
    for index in range(problem.theta.size):
        step = 1e-5 * np.eye(problem.theta.size)[index]
        moved = problem.function(problem.theta + step) - problem.function(problem.theta - step)
        np.testing.assert_allclose(problem.dq[..., index], moved / 2e-5, atol=1e-8)


def test_a_network_is_what_it_says():
    features = np.array([[1.0, -2.0], [0.5, 0.3]])
    network = q_functions.Network(features, num_actions=2, num_hidden=1)
    assert network.num_parameters == 7
    theta = np.array([0.2, -0.1, 0.4, 1.5, -0.5, 0.1, 0.2])
    hidden = np.tanh(features @ [0.2, -0.1] + 0.4)
    by_hand = np.stack([1.5 * hidden + 0.1, -0.5 * hidden + 0.2], axis=1)
    np.testing.assert_allclose(network(theta), by_hand, rtol=1e-15)


def test_pairs_share_the_parameters_of_a_linear_function():
    problem = problems.make(0, q_function="linear")
    assert problem.theta.size < problem.q.size
    rows = complex_step.jacobian(problem.function, problem.theta).reshape(problem.q.size, -1)
    assert np.linalg.matrix_rank(rows) == problem.theta.size
