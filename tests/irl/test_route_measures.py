import numpy as np
import pytest

from quinoa.irl import route_measures
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.route_graph import RouteGraph


def test_the_measures_are_what_table_1_says():
    # 0 → 1 → 2 → 3, and 1 → 3 in its place, which is another tenth of the way.
    graph = RouteGraph.deterministic(4, [0, 1, 2, 1], [1, 2, 3, 3], np.ones((4, 1)))
    miles = np.array([9.0, 0.5, 0.5, 2.0])
    driven = Demonstrations.from_states(graph, [[0, 1, 2, 3], [1, 2, 3]])
    predict = route_measures.by_costs(graph, -miles * [1, 4, 4, 1])
    found = route_measures.measure(driven, miles, predict, lambda route: -float(len(route)))
    # Both are predicted by way of 1 → 3: of the first, 9 of 10 miles are shared; of the other none.
    assert found == pytest.approx((0.45, 0.5, -2.5))
    assert route_measures.measure(driven, miles, predict).log_probability is None


def test_an_edge_that_is_driven_twice_is_shared_twice():
    # 0 → 1 → 0 → 1 → 2, of which the prediction goes 0 → 1 → 2: 2 + 2 + 1 of 8 miles.
    graph = RouteGraph.deterministic(3, [0, 1, 1], [1, 0, 2], np.ones((3, 1)))
    miles = np.array([2.0, 3.0, 1.0])
    driven = Demonstrations.from_states(graph, [[0, 1, 0, 1, 2]])
    predict = route_measures.by_costs(graph, -miles)
    assert route_measures.measure(driven, miles, predict).shared == pytest.approx(5 / 8)
    assert route_measures.measure(driven, miles, lambda route: route) == (1.0, 1.0, None)


def test_of_a_route_without_length_the_share_of_edges_counts():
    graph = RouteGraph.deterministic(4, [0, 1, 2, 1], [1, 2, 3, 3], np.ones((4, 1)))
    driven = Demonstrations.from_states(graph, [[0, 1, 2, 3]])
    predict = route_measures.by_costs(graph, -np.ones(4))
    found = route_measures.measure(driven, np.zeros(4), predict)
    assert found.shared == pytest.approx(1 / 3) and found.matched == 0
