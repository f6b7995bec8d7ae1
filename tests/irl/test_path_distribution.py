import itertools

import numpy as np
import pytest

from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import DivergenceError, RouteGraph, RouteGraphError
from tests.irl import graphs

SEEDS = range(4)


def at(graph: RouteGraph, state: int) -> np.ndarray:
    return np.eye(graph.num_states)[state]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [graphs.layered, graphs.slippery])
def test_it_is_the_distribution_over_all_paths(seed, make):
    rng = np.random.default_rng(seed)
    graph = make(rng)
    theta = rng.normal(size=graph.num_features)
    destination = graph.num_states - 1
    paths = PathDistribution(graph, theta, destination)
    routes, weights, features = graphs.enumerate_paths(graph, theta, 0, destination, 9)
    partition = weights.sum()
    assert paths.log_partition[0] == pytest.approx(np.log(partition), abs=1e-10)
    for route, weight in zip(routes, weights, strict=True):
        expected = np.log(weight / partition)
        assert paths.log_probability(np.array(route)) == pytest.approx(expected, abs=1e-10)
    expected = weights @ features / partition
    np.testing.assert_allclose(paths.expected_features(at(graph, 0)), expected, atol=1e-10)
    # Eq. 5: an action's probability is that of the paths that begin with it.
    for action in np.unique(graph.edge_action[[route[0] for route in routes]]):
        begins = [graph.edge_action[route[0]] == action for route in routes]
        assert paths.policy[action] == pytest.approx(weights[begins].sum() / partition, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_cycles_are_summed_over(seed):
    rng = np.random.default_rng(seed)
    graph = graphs.cyclic(rng)
    theta = -rng.uniform(1.0, 2.0, size=3)
    paths = PathDistribution(graph, theta, 4)
    # Each step costs 1.5 at least, so paths of more steps weigh less than 3^10 e^(−15).
    _, weights, features = graphs.enumerate_paths(graph, theta, 0, 4, 10)
    assert paths.log_partition[0] == pytest.approx(np.log(weights.sum()), abs=1e-3)
    # And exactly, by solving Z = MZ + e.
    matrix = np.zeros((5, 5))
    np.add.at(matrix, (graph.edge_source, graph.edge_target), np.exp(graph.rewards(theta)))
    matrix[4] = 0
    partition = np.linalg.solve(np.eye(5) - matrix, at(graph, 4))
    np.testing.assert_allclose(paths.log_partition, np.log(partition), atol=1e-12)
    moves = matrix * partition / partition[:, None]
    visits = np.linalg.solve(np.eye(5) - moves.T, at(graph, 0))
    edge_visits = visits[graph.edge_source] * moves[graph.edge_source, graph.edge_target]
    np.testing.assert_allclose(paths.edge_visits(at(graph, 0)), edge_visits, atol=1e-12)
    assert np.max(np.abs(weights @ features / weights.sum() - edge_visits @ graph.features)) < 1e-2


def outcomes(graph: RouteGraph):
    """Every o of Eq. 3, an outcome of each action, as edges; and its probability."""
    edges = [np.flatnonzero(graph.edge_action == a) for a in range(len(graph.action_state))]
    for chosen in itertools.product(*edges):
        yield list(chosen), float(np.prod(graph.edge_probability[list(chosen)]))


def exact(graph: RouteGraph, theta: np.ndarray, destination: int, routes) -> np.ndarray:
    """Eq. 3's probability of each route from state 0."""
    total = np.zeros(len(routes))
    weight = np.exp([graph.rewards(theta)[graph.edge_action[route]].sum() for route in routes])
    for chosen, probability in outcomes(graph):
        compatible = np.array([set(route) <= set(chosen) for route in routes])
        total += probability * weight * compatible / weight[compatible].sum()
    return total


def almost_deterministic(rng, noise):
    """Two layers of two states; an action leads elsewhere with a probability of `noise`."""
    transition = np.zeros((6, 2, 6))
    for state, after in [(0, (1, 2)), (1, (3, 4)), (2, (3, 4)), (3, (5, 5)), (4, (5, 5))]:
        for action in (0, 1):
            transition[state, action, after[action]] += 1 - noise
            transition[state, action, after[1 - action]] += noise
    return RouteGraph.from_tables(transition, rng.normal(size=(6, 2)))


def test_eq_4_is_eq_3_where_dynamics_are_deterministic_and_else_near_it():
    apart = []
    for noise in (0.0, 1e-3, 1e-1):
        rng = np.random.default_rng(0)
        graph = almost_deterministic(rng, noise)
        theta = rng.normal(size=2)
        routes = list(graphs.paths(graph, 0, 5, 9))
        paths = PathDistribution(graph, theta, 5)
        approximate = np.exp([paths.log_probability(np.array(route)) for route in routes])
        assert approximate.sum() == pytest.approx(1.0, abs=1e-12)
        apart.append(np.max(np.abs(approximate - exact(graph, theta, 5, routes))))
    assert apart[0] < 1e-14 < 1e-6 < apart[1] < 1e-2 < apart[2] < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_forward_pass_of_algorithm_1_runs_the_policy_in_the_dynamics(seed):
    rng = np.random.default_rng(seed)
    graph = graphs.slippery(rng)
    paths = PathDistribution(graph, rng.normal(size=graph.num_features), graph.num_states - 1)
    # Steps 4 to 6 as they stand, but for source and target in step 5.
    states, total = at(graph, 0), np.zeros(graph.num_states)
    for _ in range(10):
        total += states
        moved = np.zeros(graph.num_states)
        for edge, action in enumerate(graph.edge_action):
            if graph.edge_source[edge] != paths.destination:
                moved[graph.edge_target[edge]] += (
                    states[graph.edge_source[edge]]
                    * paths.policy[action]
                    * graph.edge_probability[edge]
                )
        states = moved
    visits = paths.policy_edge_visits(at(graph, 0))
    into = np.bincount(graph.edge_target, visits, graph.num_states) + at(graph, 0)
    np.testing.assert_allclose(into, total, atol=1e-12)
    # Eq. 4's own paths have the outcomes that they hope for.
    assert np.max(np.abs(visits - paths.edge_visits(at(graph, 0)))) > 1e-3


def test_both_forward_passes_are_one_where_dynamics_are_deterministic():
    rng = np.random.default_rng(0)
    graph = graphs.cyclic(rng)
    paths = PathDistribution(graph, np.full(3, -1.0), 2)
    start = rng.uniform(size=5)
    np.testing.assert_allclose(
        paths.policy_edge_visits(start), paths.edge_visits(start), rtol=1e-12
    )


def test_samples_have_the_expected_features():
    rng = np.random.default_rng(0)
    graph = graphs.cyclic(rng)
    paths = PathDistribution(graph, np.full(3, -0.6), 4)
    counts = [graph.features[paths.sample(rng, 0)].sum(axis=0) for _ in range(4000)]
    error = np.std(counts, axis=0) / np.sqrt(len(counts))
    assert np.all(
        np.abs(np.mean(counts, axis=0) - paths.expected_features(at(graph, 0))) < 4 * error
    )


def test_weights_are_far_from_underflow():
    # A thousand states in a row, of which each costs 10 to leave: Z is e^(−10,000).
    states = np.arange(1000)
    graph = RouteGraph.deterministic(1001, states, states + 1, np.ones((1000, 1)))
    paths = PathDistribution(graph, np.array([-10.0]), 1000)
    assert paths.log_partition[0] == pytest.approx(-10_000, rel=1e-12)
    assert paths.edge_visits(at(graph, 0)).tolist() == pytest.approx([1.0] * 1000)


def test_a_partition_function_that_diverges_is_one_sentence_that_says_what_to_do():
    graph = graphs.cyclic(np.random.default_rng(0))
    message = (
        r"^The partition function of the paths to 4 diverges: going round a cycle through state "
        r"\d costs so little that .* Make costs higher \(theta more negative\), or remove an edge"
    )
    with pytest.raises(DivergenceError, match=message):
        PathDistribution(graph, np.full(3, -0.1), 4)
    # A reward for going round.
    with pytest.raises(DivergenceError, match="the partition function diverges: the cycle through"):
        PathDistribution(graph, np.full(3, 0.1), 4)
    # No costs at all, as the paper warns of.
    with pytest.raises(DivergenceError, match=message):
        PathDistribution(graph, np.zeros(3), 4)


def test_what_cannot_be_reached_is_one_sentence():
    graph = RouteGraph.deterministic(4, [0, 2], [1, 1], np.ones((2, 1)))
    paths = PathDistribution(graph, np.array([-1.0]), 1)
    assert paths.log_partition.tolist() == [-1.0, 0.0, -1.0, -np.inf]
    for call in (
        lambda: paths.edge_visits(np.ones(4)),
        lambda: paths.sample(np.random.default_rng(0), 3),
    ):
        with pytest.raises(
            RouteGraphError, match="No route leads from state 3 to the destination 1"
        ):
            call()
    with pytest.raises(RouteGraphError, match="ends in state 1, not at the destination 0"):
        PathDistribution(graph, np.array([-1.0]), 0).log_probability(np.array([0]))
