import resource
import time

import numpy as np
import pytest

from quinoa.irl import road_network
from quinoa.irl.inference import most_likely_route
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraphError

THETA = road_network.preferences()


@pytest.fixture(scope="module")
def network():
    return road_network.generate(np.random.default_rng(0), 9, 10)


def test_a_network_is_its_seed_s(network):
    again = road_network.generate(np.random.default_rng(0), 9, 10)
    np.testing.assert_array_equal(network.graph.features, again.graph.features)
    other = road_network.generate(np.random.default_rng(1), 9, 10)
    assert not np.array_equal(network.junctions, other.junctions)
    with pytest.raises(RouteGraphError, match="at least 3 rows"):
        road_network.generate(np.random.default_rng(0), 2, 9)


def test_an_action_has_the_features_of_its_segment_and_its_turn(network):
    graph = network.graph
    assert graph.num_features == len(road_network.FEATURES) == 22
    source, target = graph.edge_source, graph.edge_target
    # One follows the other, and is not its way back.
    np.testing.assert_array_equal(network.head[source], network.tail[target])
    assert np.all(network.head[target] != network.tail[source])
    for columns in (slice(0, 6), slice(6, 12), slice(12, 17)):
        np.testing.assert_allclose(graph.features[:, columns].sum(axis=1), network.miles[source])
    assert np.all(graph.features[:, 17:].sum(axis=1) == 1)
    # Every feature occurs, but for the interstate, which only larger networks have, and what some
    # seeds have not.
    assert np.count_nonzero(graph.features.sum(axis=0)) >= 18
    assert np.all(network.hours() > 0)


def test_turns_are_named_as_a_driver_would():
    east = np.array([[1.0, 0.0]])
    for degrees, name in (
        (0, "straight"),
        (90, "left"),
        (-90, "right"),
        (150, "hard left"),
        (-150, "hard right"),
    ):
        after = np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])
        assert road_network.TURNS[road_network._turns(east, after)[0]] == name


def test_routes_lead_from_any_segment_to_any_other(network):
    graph = network.graph
    paths = PathDistribution(graph, THETA, 7)
    assert np.all(np.isfinite(paths.log_partition))
    rng = np.random.default_rng(0)
    best = most_likely_route(graph, THETA, 200, 7)
    np.testing.assert_array_equal(
        road_network.noisy_route(rng, network, THETA, 200, 7, noise=0.0), best
    )
    noisy = [road_network.noisy_route(rng, network, THETA, 200, 7, noise=1.0) for _ in range(5)]
    for route in noisy:
        assert graph.states(route)[[0, -1]].tolist() == [200, 7]
    assert len({tuple(route) for route in noisy}) > 1


@pytest.mark.slow
def test_the_gradient_at_the_paper_s_scale():
    """300,000 states and 900,000 actions: under 10 s of one core, and 2 GB."""
    network = road_network.generate(np.random.default_rng(0), 270, 270)
    graph = network.graph
    assert graph.num_states >= 290_000 and len(graph.edge_action) >= 880_000
    start = np.zeros(graph.num_states)
    start[0] = 1.0
    begin = time.process_time()
    paths = PathDistribution(graph, THETA, graph.num_states // 2 - 1)
    expected = paths.expected_features(start)
    seconds = time.process_time() - begin
    # The most that this process has had, the libraries of all tests included.
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{graph.num_states} states, {len(graph.edge_action)} actions: ", end="")
    print(f"{seconds:.1f} s, {gigabytes:.2f} GB")
    assert np.all(np.isfinite(expected))
    assert seconds < 10 and gigabytes < 2
