import numpy as np
import pytest

from quinoa.irl.best_paths import best_paths, best_route
from quinoa.irl.route_graph import DivergenceError, RouteGraph, RouteGraphError
from tests.irl import graphs


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [0.0, -10.0], ids=["either sign", "costs"])
def test_no_path_is_better(seed, shift):
    rng = np.random.default_rng(seed)
    graph = graphs.layered(rng)
    value = rng.normal(size=len(graph.edge_action)) + shift
    destination = graph.num_states - 1
    paths = best_paths(graph, value, destination)
    for origin in (0, 2, 5):
        every = graphs.paths(graph, origin, destination, longest=9)
        best = max(every, key=lambda path: value[path].sum())
        assert paths.value[origin] == pytest.approx(value[best].sum(), abs=1e-12)
        assert best_route(graph, paths, origin).tolist() == best
    assert paths.value[destination] == 0


def test_a_reward_on_the_way_round_is_taken_where_it_costs_more_than_it_gives():
    # 0 → 1 for 2, 1 → 0 for −3, 1 → 2 for −1.
    graph = RouteGraph.deterministic(3, [0, 1, 1], [1, 0, 2], np.ones((3, 1)))
    paths = best_paths(graph, np.array([2.0, -3.0, -1.0]), 2)
    assert paths.value.tolist() == [1.0, -1.0, 0.0]
    with pytest.raises(
        DivergenceError, match=r"cycle through state [01] has a reward of 0 or more"
    ):
        best_paths(graph, np.array([2.0, -1.0, -1.0]), 2)


def test_edges_without_a_cost_may_be_walked():
    graph = RouteGraph.deterministic(3, [0, 1, 1], [1, 0, 2], np.ones((3, 1)))
    paths = best_paths(graph, np.array([0.0, 0.0, -1.0]), 2)
    assert best_route(graph, paths, 0).tolist() == [0, 2]
    assert paths.value.tolist() == [-1.0, -1.0, 0.0]


def test_a_destination_that_cannot_be_reached_is_one_sentence():
    graph = RouteGraph.deterministic(3, [0, 2], [1, 1], np.ones((2, 1)))
    paths = best_paths(graph, np.full(2, -1.0), 2)
    assert paths.value[0] == -np.inf and paths.next_edge[0] == -1
    with pytest.raises(RouteGraphError, match="No route leads from state 0 to the destination"):
        best_route(graph, paths, 0)
    with pytest.raises(RouteGraphError, match="destination 3 is not in the graph"):
        best_paths(graph, np.full(2, -1.0), 3)
