import dataclasses

import numpy as np
import pytest

from quinoa.irl.route_graph import RouteGraph, RouteGraphError

# 0 → 1 → 2, two edges from 1 to 2, and one back.
GRAPH = RouteGraph.deterministic(4, [0, 1, 1, 2], [1, 2, 2, 1], np.ones((4, 2)))


def test_edges_are_found_by_their_states():
    assert GRAPH.edges_from(1).tolist() == [1, 2]
    assert GRAPH.edges_from(3).tolist() == []
    assert GRAPH.route([0, 1]).tolist() == [0]
    assert GRAPH.route([2, 1]).tolist() == [3]
    assert GRAPH.states(np.array([0, 2, 3, 1])).tolist() == [0, 1, 2, 1, 2]


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([0, 1, 0], "leaves the graph at its step 1: no action leads from state 1 to state 0"),
        ([0, 7], "leaves the graph at its step 0: there is no state 7, only 0 to 3"),
        ([0, 1, 2], "2 edges lead from state 1 to state 2: give the route as edges"),
    ],
)
def test_a_route_of_states_that_is_none_is_refused(states, message):
    with pytest.raises(RouteGraphError, match=message):
        GRAPH.route(states)


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ([0, 3], "step 1: its edge begins in state 2, and the one before ends in state 1"),
        ([0, 4], "must be from 0 to 3"),
        ([], "at least one edge"),
    ],
)
def test_a_route_of_edges_that_is_none_is_refused(route, message):
    with pytest.raises(RouteGraphError, match=message):
        GRAPH.states(np.array(route, dtype=int))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.ones((3, 2))}, r"must be \[A, K\] with A = 4"),
        ({"features": np.full((4, 2), np.nan)}, "features must be finite"),
        ({"edge_target": np.array([1, 2, 2, 4])}, "edge_target must hold states from 0 to 3"),
        ({"edge_target": np.array([1, 2, 2])}, "differ in length"),
        ({"edge_action": np.array([0, 2, 1, 3])}, "in ascending order"),
        ({"edge_probability": np.array([1, 1, 0.5, 1])}, "above 0 and sum to 1"),
    ],
)
def test_what_is_no_graph_is_refused(changes, message):
    with pytest.raises(RouteGraphError, match=message):
        dataclasses.replace(GRAPH, **changes)


@pytest.mark.parametrize("theta", [np.zeros(3), np.array([0.0, np.inf])])
def test_weights_that_do_not_fit_are_refused(theta):
    with pytest.raises(RouteGraphError, match="2 finite numbers"):
        GRAPH.rewards(theta)


def test_tables_become_a_graph():
    transition = np.zeros((3, 2, 3))
    transition[0, 0] = [0.0, 0.25, 0.75]
    transition[0, 1] = [0.0, 1.0, 0.0]
    transition[1, 1] = [0.0, 0.0, 1.0]
    features = np.arange(6.0).reshape(3, 2)
    graph = RouteGraph.from_tables(transition, features)
    assert graph.action_state.tolist() == [0, 0, 1]
    assert graph.edge_action.tolist() == [0, 0, 1, 2]
    assert graph.edge_target.tolist() == [1, 2, 1, 2]
    assert graph.edge_probability.tolist() == [0.25, 0.75, 1.0, 1.0]
    np.testing.assert_array_equal(graph.features, features[[0, 0, 1]])
