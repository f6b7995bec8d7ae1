import numpy as np
import pytest

from quinoa.irl import optimizers, route_measures
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraph
from tests.irl import graphs, table1

TRUE = np.array([-0.5, -1.5, -0.9])


def routes_of(count: int, graph: RouteGraph) -> Demonstrations:
    rng = np.random.default_rng(0)
    paths = [PathDistribution(graph, TRUE, state) for state in range(graph.num_states)]
    pairs = [rng.choice(graph.num_states, 2, replace=False) for _ in range(count)]
    return Demonstrations(graph, [paths[end].sample(rng, origin) for origin, end in pairs])


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


def test_maximum_margin_planning_plans_what_was_demonstrated():
    graph = graphs.cyclic(np.random.default_rng(0))
    miles = np.full(len(graph.edge_action), 0.01)
    predict = route_measures.by_costs(graph, graph.rewards(np.array([-0.1, -3.0, -0.1])))
    pairs = [graph.route([a, b]) for a in range(5) for b in range(5) if a != b]
    best = Demonstrations(graph, [predict(pair) for pair in pairs])
    start = np.array([-3.0, -0.1, -0.1])
    before = route_measures.measure(
        best, miles, route_measures.by_costs(graph, graph.rewards(start))
    )
    theta = route_measures.max_margin_planning(best, miles, start, num_steps=60)
    after = route_measures.measure(
        best, miles, route_measures.by_costs(graph, graph.rewards(theta))
    )
    assert before.shared < after.shared and after.shared > 0.95
    assert np.all(theta < 0)


def test_the_action_based_model_is_fitted():
    graph = graphs.cyclic(np.random.default_rng(0))
    routes = routes_of(100, graph)

    def likelihood(theta):
        model = route_measures.action_based_models(graph, theta)
        return np.mean([model(route).log_probability(route) for route in routes.routes])

    start = optimizers.starting_weights(graph)
    theta = route_measures.fit_action_based(routes, start, num_steps=100)
    assert likelihood(theta) > likelihood(start)
    # A maximum: no step in a direction of its own gains much.
    for step in 0.2 * np.vstack([np.eye(3), -np.eye(3)]):
        assert likelihood(np.minimum(theta + step, -1e-3)) < likelihood(theta) + 1e-2


@pytest.mark.long
def test_held_out_routes_are_more_likely_under_maximum_entropy():
    # With low costs, many routes are nearly as good as the best.
    gains = []
    for seed in (0, 1):
        found = table1.compare(seed, "sampled", table1.LOW_COSTS)
        one, other = found["MaxEnt paths"].log_probability, found["action"].log_probability
        assert one is not None and other is not None
        gains.append(one - other)
        assert found["time-based"].log_probability is None
    assert min(gains) > 0
