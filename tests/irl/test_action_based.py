import numpy as np
import pytest

from quinoa.irl.action_based import ActionBased
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraph, RouteGraphError
from tests.irl import graphs

A, FORK, B = 0, 1, 2
# Figure 2: from A, path 3 leads straight to B; paths 1 and 2 share their way to a fork. A step's
# feature is its length, and all three paths are of the same length. Every road goes both ways.
FIGURE_2 = RouteGraph.deterministic(
    3,
    [A, FORK, FORK, A, FORK, B, B, B],
    [FORK, B, B, B, A, FORK, FORK, A],
    np.array([[1.0], [1.0], [1.0], [2.0], [1.0], [1.0], [1.0], [2.0]]),
)
THERE = [np.array(route) for route in ([0, 1], [0, 2], [3])]
BACK = [np.array(route) for route in ([5, 4], [6, 4], [7])]


def one_way(edges: list[int]) -> RouteGraph:
    """The figure without the ways round that go back on themselves."""
    graph = FIGURE_2
    return RouteGraph.deterministic(
        3, graph.edge_source[edges], graph.edge_target[edges], graph.features[edges]
    )


@pytest.mark.parametrize("cost", [0.5, 1.0, 20.0])
def test_the_label_bias_of_figure_2(cost):
    theta = np.array([-cost])
    there, back = one_way([0, 1, 2, 3]), one_way([4, 5, 6, 7])
    for graph, begin, end, routes, action_based in (
        (there, A, B, [[0, 1], [0, 2], [3]], [0.25, 0.25, 0.5]),
        (back, B, A, [[1, 0], [2, 0], [3]], [1 / 3, 1 / 3, 1 / 3]),
    ):
        assert all(graph.states(np.array(route))[0] == begin for route in routes)
        paths, actions = PathDistribution(graph, theta, end), ActionBased(graph, theta, end)
        found = np.exp([paths.log_probability(np.array(route)) for route in routes])
        np.testing.assert_allclose(found, [1 / 3] * 3, rtol=1e-14)
        found = np.exp([actions.log_probability(np.array(route)) for route in routes])
        np.testing.assert_allclose(found, action_based, rtol=1e-14)


def test_with_ways_back_the_paths_of_the_figure_stay_equally_likely():
    paths = PathDistribution(FIGURE_2, np.array([-2.0]), B)
    assert len({round(paths.log_probability(route), 12) for route in THERE}) == 1
    paths = PathDistribution(FIGURE_2, np.array([-2.0]), A)
    assert len({round(paths.log_probability(route), 12) for route in BACK}) == 1


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_sum_to_one_and_the_most_likely_route_has_the_highest(seed):
    rng = np.random.default_rng(seed)
    graph = graphs.layered(rng)
    destination = graph.num_states - 1
    actions = ActionBased(graph, rng.normal(size=3), destination)
    routes = [np.array(path) for path in graphs.paths(graph, 0, destination, 9)]
    found = np.array([actions.log_probability(route) for route in routes])
    assert np.exp(found).sum() == pytest.approx(1.0, abs=1e-12)
    assert actions.most_likely_route(0).tolist() == routes[np.argmax(found)].tolist()


def test_stochastic_dynamics_are_refused():
    graph = graphs.slippery(np.random.default_rng(0))
    with pytest.raises(RouteGraphError, match="deterministic dynamics only"):
        ActionBased(graph, np.zeros(2), graph.num_states - 1)
