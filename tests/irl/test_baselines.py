import numpy as np

from quinoa.irl import baselines, optimizers, route_measures
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraph
from tests.irl import graphs, table1
from tests.irl.demonstrators import Drivers

TRUE = np.array([-0.5, -1.5, -0.9])


def routes_of(count: int, graph: RouteGraph) -> Demonstrations:
    rng = np.random.default_rng(0)
    paths = [PathDistribution(graph, TRUE, state) for state in range(graph.num_states)]
    pairs = [rng.choice(graph.num_states, 2, replace=False) for _ in range(count)]
    return Demonstrations(graph, [paths[end].sample(rng, origin) for origin, end in pairs])


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
    theta = baselines.max_margin_planning(best, miles, start, num_steps=60)
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
    theta = baselines.fit_action_based(routes, start, num_steps=100)
    assert likelihood(theta) > likelihood(start)
    # A maximum: no step in a direction of its own gains much.
    for step in 0.2 * np.vstack([np.eye(3), -np.eye(3)]):
        assert likelihood(np.minimum(theta + step, -1e-3)) < likelihood(theta) + 1e-2


def test_held_out_routes_are_most_likely_under_the_model_that_drove_them():
    size = table1.Size(7, 3, 5, (120, 40, 120), (1e-3,), {"margin": 3, "action": 60})
    found = table1.compare(0, Drivers("paths", 1.0), size)
    likely = {name: measures.log_probability for name, measures in found.items()}
    assert likely["time-based"] is None and likely["max margin"] is None
    one, other, true = (likely[name] for name in (table1.MAX_ENT, "action", "true weights"))
    assert one is not None and other is not None and true is not None
    assert other < one < true
    # Those who follow Eq. 7: more likely under Eq. 7 with their own weights.
    found = table1.compare(0, Drivers("actions", 1.0), size)
    one, true = (found[name].log_probability for name in (table1.MAX_ENT, "true weights"))
    assert one is not None and true is not None
    assert one < true


def test_both_models_choose_the_best_action_where_costs_are_high():
    size = table1.Size(side=6, destinations=2)
    low = table1.divergences(0, 1.0, size)
    assert min(low) > 0
    assert max(table1.divergences(0, 16.0, size)) < 0.1 * min(low)
