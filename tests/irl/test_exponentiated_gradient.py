from __future__ import annotations

import numpy as np
import pytest

from quinoa.irl import optimizers
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.exponentiated_gradient import ExponentiatedGradient, StepSizes
from quinoa.irl.gradient_steps import gradient_step
from quinoa.irl.path_distribution import converges_to_all
from quinoa.irl.route_graph import DivergenceError, RouteGraph

START = np.array([-0.8])
# Two edges lead from state 2 to 3, and two back: paths to 4 diverge with θ above −log 2. Those to 1
# never do. Of ten routes eight lead to 1, by an edge that only a θ near 0 explains.
GRAPH = RouteGraph.deterministic(
    5,
    [0, 0, 2, 2, 3, 3, 3],
    [1, 1, 3, 3, 2, 2, 4],
    np.array([[1.0], [5.0], [1.0], [1.0], [1.0], [1.0], [1.0]]),
)
ROUTES = Demonstrations(GRAPH, [np.array([1])] * 8 + [np.array([2, 6])] * 2)


def made(start: np.ndarray = START, seed: int = 0) -> ExponentiatedGradient:
    return ExponentiatedGradient(start, StepSizes(0.3, 1, 10, seed))


@pytest.mark.parametrize("seed", [0, 3])
def test_batches_in_a_row_that_lead_to_where_others_diverge_do_not_end_learning(seed):
    start = np.array([-3.0])
    optimizer = made(start, seed)
    found = [gradient_step(optimizer, ROUTES) for _ in range(110)]
    assert found.count(None) > 5
    reached, _ = optimizers.reached_by_batches(optimizer, ROUTES)
    first = ROUTES.objective(start).log_likelihood
    best = optimizers.lbfgs(ROUTES, start).log_likelihood
    assert reached.objective.log_likelihood > best - 0.25 * (best - first)


def test_weights_that_diverge_for_another_batch_are_moved_to_the_start_and_resumed_there():
    whole, first = made(), made()
    kinds = [gradient_step(whole, ROUTES) is None for _ in range(12)]
    cut = kinds.index(True) + 2
    assert kinds[cut - 1]
    for _ in range(cut):
        gradient_step(first, ROUTES)
    second = made()
    assert second.restore({name: np.array(value) for name, value in first.state().items()})
    for _ in range(12 - cut):
        gradient_step(second, ROUTES)
    np.testing.assert_array_equal(second.reached, whole.reached)


def test_each_move_is_along_the_line_to_the_start_and_the_last_one_ends_there():
    start, theta = np.array([-1.0, -2.0, 0.0, 0.5]), np.array([-0.5, -3.0, 0.0, 0.25])
    optimizer = made(start)
    shares = []
    for times in range(1, 60):
        moved = optimizer.shortened(theta, times)
        share = (moved[0] - theta[0]) / (start[0] - theta[0])
        np.testing.assert_allclose(moved, theta + share * (start - theta), atol=1e-15)
        shares.append(share)
    np.testing.assert_allclose(shares[:6], [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1 / 2])
    np.testing.assert_array_equal(optimizer.shortened(theta, 60), start)
    with pytest.raises(DivergenceError, match="the weights that learning begins with"):
        optimizer.shortened(start, 61)


def test_a_start_that_diverges_for_one_of_the_routes_is_refused_before_the_first_batch():
    start = np.array([-0.6])
    ROUTES.subset([0]).objective(start)
    with pytest.raises(DivergenceError, match="paths to 4 diverges"):
        optimizers.exponentiated_gradient(ROUTES, start, batch_size=1, num_steps=0)
    with pytest.raises(DivergenceError, match="the weights that learning begins with"):
        optimizers.reached_by_batches(made(start), ROUTES)


def test_where_every_partition_function_converges_is_found_in_one_go():
    assert converges_to_all(GRAPH, START)
    # Paths to 4 diverge, and those to 1 do not: nothing is proven of all.
    assert not converges_to_all(GRAPH, np.array([-0.6]))
    assert not converges_to_all(GRAPH, np.array([1e3]))


def test_what_batches_lead_to_is_where_all_routes_converge_and_the_optimiser_stays():
    optimizer = made()
    for _ in range(2):
        gradient_step(optimizer, ROUTES)
    before = optimizer.reached
    with pytest.raises(DivergenceError):
        ROUTES.objective(before)
    found, num_gradients = optimizers.reached_by_batches(optimizer, ROUTES)
    assert num_gradients > 1
    assert found.objective.log_likelihood == ROUTES.objective(found.theta).log_likelihood
    np.testing.assert_array_equal(optimizer.reached, before)
    fit = optimizers.exponentiated_gradient(
        ROUTES, START, learning_rate=0.3, batch_size=1, num_steps=1
    )
    assert fit.log_likelihood == ROUTES.objective(fit.theta).log_likelihood
