import numpy as np
import pytest

from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.route_graph import RouteGraphError
from tests.irl import graphs


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [graphs.layered, graphs.slippery])
def test_likelihood_and_gradient_are_those_of_listing_all_paths(seed, make):
    rng = np.random.default_rng(seed)
    graph = make(rng)
    theta = rng.normal(size=graph.num_features)
    destination = graph.num_states - 1
    routes, likelihood, gradient = [], [], []
    for origin in (0, 0, 1):
        found, weights, features = graphs.enumerate_paths(graph, theta, origin, destination, 9)
        chosen = rng.integers(len(found))
        routes.append(np.array(found[chosen]))
        likelihood.append(np.log(weights[chosen] / weights.sum()))
        gradient.append(features[chosen] - weights @ features / weights.sum())
    objective = Demonstrations(graph, routes).objective(theta)
    assert objective.log_likelihood == pytest.approx(np.mean(likelihood), abs=1e-10)
    np.testing.assert_allclose(objective.gradient, np.mean(gradient, axis=0), atol=1e-8)


def test_the_gradient_is_the_slope_where_there_are_cycles_and_several_destinations():
    rng = np.random.default_rng(0)
    graph = graphs.cyclic(rng)
    demonstrations = Demonstrations.from_states(graph, [[0, 1, 4], [2, 3], [1, 2, 1, 0, 4]])
    assert demonstrations.destinations == [4, 3]
    theta = -rng.uniform(1.0, 2.0, size=3)
    slope = [
        (
            demonstrations.objective(theta + step).log_likelihood
            - demonstrations.objective(theta - step).log_likelihood
        )
        / 2e-5
        for step in 1e-5 * np.eye(3)
    ]
    np.testing.assert_allclose(demonstrations.objective(theta).gradient, slope, atol=1e-8)


def test_demonstrations_that_are_none_are_one_sentence():
    graph = graphs.cyclic(np.random.default_rng(0))
    good = [0, 1, 2]
    with pytest.raises(RouteGraphError, match="Demonstration 1: The route leaves the graph at its"):
        Demonstrations.from_states(graph, [good, [0, 0]])
    with pytest.raises(RouteGraphError, match="Demonstration 1: The route leaves the graph at its"):
        Demonstrations(graph, [graph.route(good), np.array([0, 1])])
    with pytest.raises(RouteGraphError, match=r"1 passes its destination, state 2, before its end"):
        Demonstrations.from_states(graph, [good, [0, 2, 1, 2]])
    with pytest.raises(RouteGraphError, match="at least one demonstrated route"):
        Demonstrations(graph, [])
