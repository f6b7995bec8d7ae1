import itertools

import numpy as np
import pytest

from quinoa.irl import optimizers
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import DivergenceError, RouteGraph, RouteGraphError
from tests.irl import graphs

TRUE = np.array([-0.3, -0.9, -0.5])


def demonstrations(count: int, seed: int = 0, graph: RouteGraph | None = None) -> Demonstrations:
    """Routes from a known θ between all pairs of the states of a graph."""
    rng = np.random.default_rng(seed)
    graph = graphs.cyclic(np.random.default_rng(0)) if graph is None else graph
    paths = [PathDistribution(graph, TRUE, state) for state in range(graph.num_states)]
    routes = []
    for _ in range(count):
        origin, destination = rng.choice(graph.num_states, 2, replace=False)
        routes.append(paths[destination].sample(rng, origin))
    return Demonstrations(graph, routes)


def test_expected_features_are_the_demonstrations_at_the_optimum():
    routes = demonstrations(200)
    fit = optimizers.lbfgs(routes)
    assert fit.converged and fit.feature_error < 1e-6
    # As a user would check it.
    starts = np.zeros((5, 5))
    for route in routes.routes:
        states = routes.graph.states(route)
        starts[states[-1], states[0]] += 1 / 200
    expected = sum(
        PathDistribution(routes.graph, fit.theta, state).expected_features(starts[state])
        for state in range(5)
    )
    assert np.max(np.abs(expected - routes.feature_counts)) < 1e-6
    assert fit.log_likelihood == routes.objective(fit.theta).log_likelihood
    assert fit.log_likelihood > routes.objective(TRUE).log_likelihood


def test_the_weights_are_found_again_the_better_the_more_demonstrations():
    graph = demonstrations(1).graph
    errors = {
        count: np.array(
            [optimizers.lbfgs(demonstrations(count, seed)).theta - TRUE for seed in range(4)]
        )
        for count in (50, 400)
    }
    # As 1 / √m: 2.8 times for 8 times as many.
    size = {count: np.linalg.norm(error) for count, error in errors.items()}
    assert size[400] < size[50] / 1.7
    # And no worse than any unbiased estimate must be (Cramér and Rao): with the Fisher information
    # I of m routes, dᵀId has the mean K = 3; of four, the mean deviates by 1.2.
    pairs = [graph.route(pair) for pair in itertools.permutations(range(5), 2)]
    every = Demonstrations(graph, pairs)
    information = 400 * np.array(
        [
            (every.objective(TRUE - step).gradient - every.objective(TRUE + step).gradient) / 2e-5
            for step in 1e-5 * np.eye(3)
        ]
    )
    efficiency = np.mean([error @ information @ error for error in errors[400]])
    assert 1 < efficiency < 6


def test_weights_are_found_up_to_what_routes_can_tell():
    # The third feature is the sum of the others, so θ + c (1, 1, −1) says the same for every c.
    graph = graphs.cyclic(np.random.default_rng(0))
    features = graph.features.copy()
    features[:, 2] = features[:, 0] + features[:, 1]
    graph = RouteGraph.deterministic(5, graph.edge_source, graph.edge_target, features)
    routes = demonstrations(2000, graph=graph)
    fits = [optimizers.lbfgs(routes, start) for start in (None, np.array([-3.0, -1.0, -0.1]))]
    assert all(fit.converged for fit in fits)
    one, other = (fit.theta for fit in fits)
    assert np.linalg.norm(one - other) > 0.1
    told = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    np.testing.assert_allclose(told @ one, told @ other, atol=1e-5)
    assert np.max(np.abs(told @ one - told @ TRUE)) < 0.1


def test_exponentiated_gradient_finds_the_same_weights():
    # One destination takes one backward pass in each of the steps.
    every = demonstrations(400)
    ends = [int(every.graph.edge_target[route[-1]]) for route in every.routes]
    routes = every.subset([index for index, end in enumerate(ends) if end == 4])
    fit = optimizers.exponentiated_gradient(
        routes, learning_rate=0.3, num_steps=3000, tolerance=1e-6
    )
    assert fit.converged and fit.feature_error <= 1e-6
    np.testing.assert_allclose(fit.theta, optimizers.lbfgs(routes).theta, atol=1e-4)


def test_exponentiated_gradient_learns_online():
    routes = demonstrations(200)
    best = optimizers.lbfgs(routes).log_likelihood
    fit = optimizers.exponentiated_gradient(routes, learning_rate=0.3, batch_size=5, num_steps=100)
    start = routes.objective(optimizers.starting_weights(routes.graph)).log_likelihood
    assert fit.log_likelihood > best - 0.1 * (best - start)
    assert np.all(fit.theta < 0)
    with pytest.raises(RouteGraphError, match="batch_size must be from 1 to 200"):
        optimizers.exponentiated_gradient(routes, batch_size=201)


def test_a_step_to_where_it_diverges_is_taken_back():
    # Long ways round, so the best weights are near where the partition function diverges.
    graph = graphs.cyclic(np.random.default_rng(0))
    ways = [[0, 1, 2, 3, 0, 1, 2, 0, 2, 1, 3, 1, 0, 3, 1, 2, 4], [3, 2, 1, 0, 1, 2, 3, 0, 1, 4]] * 3
    routes = Demonstrations.from_states(graph, ways)
    fit = optimizers.lbfgs(routes)
    assert fit.converged
    with pytest.raises(DivergenceError):
        routes.objective(0.9 * fit.theta)
    steps = optimizers.exponentiated_gradient(routes, learning_rate=0.1, num_steps=60)
    assert (
        steps.log_likelihood > routes.objective(optimizers.starting_weights(graph)).log_likelihood
    )


@pytest.mark.parametrize("batch_size", [None, 40])
def test_steps_that_are_too_long_are_shortened(batch_size):
    routes = demonstrations(60)
    best = optimizers.lbfgs(routes).log_likelihood
    start = routes.objective(optimizers.starting_weights(routes.graph)).log_likelihood
    fit = optimizers.exponentiated_gradient(
        routes, learning_rate=1e4, batch_size=batch_size, num_steps=15
    )
    assert fit.log_likelihood > best - 0.1 * (best - start)
    with pytest.raises(RouteGraphError, match="learning_rate must be above 0, not -1"):
        optimizers.exponentiated_gradient(routes, learning_rate=-1)


def test_regularisation_bounds_what_has_no_maximum():
    # Of two ways, the one is always taken: the more the other costs, the better.
    graph = RouteGraph.deterministic(3, [0, 0, 1], [1, 2, 2], np.array([[1.0, 0], [0, 1], [1, 0]]))
    routes = Demonstrations.from_states(graph, [[0, 2]] * 4)
    fit = optimizers.lbfgs(routes, np.zeros(2), regularization=0.1)
    assert fit.converged and np.abs(fit.theta).max() < 5
    np.testing.assert_allclose(0.1 * fit.theta, routes.objective(fit.theta).gradient, atol=1e-6)


def test_where_to_start_must_be_told_if_features_do_not_tell():
    graph = RouteGraph.deterministic(2, [0], [1], np.zeros((1, 2)))
    with pytest.raises(RouteGraphError, match=r"features of action 0 do not sum to more than 0"):
        optimizers.starting_weights(graph)
    graph = graphs.cyclic(np.random.default_rng(0))
    routes = Demonstrations.from_states(graph, [[0, 1]])
    for optimizer in (optimizers.lbfgs, optimizers.exponentiated_gradient):
        with pytest.raises(DivergenceError):
            optimizer(routes, np.full(3, -0.01))
