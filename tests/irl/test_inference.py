import numpy as np
import pytest

from quinoa.irl import inference
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraphError
from tests.irl import destinations, graphs

THETA = np.array([-0.6, -0.9, -0.7])


def test_no_route_is_more_likely():
    graph = graphs.slippery(np.random.default_rng(0))
    theta, destination = np.array([0.5, -0.5]), graph.num_states - 1
    paths = PathDistribution(graph, theta, destination)
    every = [np.array(path) for path in graphs.paths(graph, 0, destination, 9)]
    best = max(every, key=paths.log_probability)
    assert inference.most_likely_route(graph, theta, 0, destination).tolist() == best.tolist()


def test_the_posterior_is_bayes_theorem_on_the_seen_edges():
    graph = graphs.cyclic(np.random.default_rng(0))
    prior = {1: 2.0, 2: 1.0, 0: 0.0, 3: 3.0, 4: 4.0}
    where = inference.Destinations(graph, THETA, prior)
    assert where.states.tolist() == [1, 2, 3, 4]
    assert where.prior == pytest.approx([0.2, 0.1, 0.3, 0.4])
    found = where.posteriors([0, 1, 2])
    assert found[0] == pytest.approx(where.prior)
    for step in (1, 2):
        seen = graph.route([0, 1, 2][: step + 1])
        joint = {}
        for destination, weight in prior.items():
            if weight == 0:
                continue
            # The probability that a path to there begins with these edges, edge by edge.
            paths = PathDistribution(graph, THETA, destination)
            joint[destination] = weight * np.exp(paths.edge_log_probability[seen].sum())
        expected = np.array(list(joint.values())) / sum(joint.values())
        np.testing.assert_allclose(found[step], expected, atol=1e-12)
    # State 1 was passed by, and 2 is where the route has come to.
    assert found[2][0] == 0 and found[2][1] > where.prior[1]
    np.testing.assert_array_equal(where.posterior([0, 1, 2]), found[2])


def test_what_remains_is_that_of_each_destination_in_its_proportion():
    graph = graphs.layered(np.random.default_rng(0))
    theta = np.array([0.3, -0.2, 0.1])
    last = graph.num_states - 1
    where = inference.Destinations(graph, theta, {last: 0.5, 9: 0.5})
    seen = [0, 3]
    visits = where.remaining_visits(seen)
    expected = np.zeros(len(visits))
    for end, weight in zip((last, 9), where.posterior(seen), strict=True):
        found, weights, _ = graphs.enumerate_paths(graph, theta, 3, end, 9)
        for path, share in zip(found, weights / weights.sum(), strict=True):
            expected[path] += weight * share
    np.testing.assert_allclose(visits, expected, atol=1e-12)
    # Nothing remains of a route that has arrived.
    arrived = inference.Destinations(graph, theta, {9: 1.0})
    assert arrived.posterior([0, 3, 6, 9]).tolist() == [1.0]
    assert not arrived.remaining_visits([0, 3, 6, 9]).any()


def test_a_route_to_one_of_the_destinations_has_a_probability():
    graph = graphs.cyclic(np.random.default_rng(0))
    routes = [graph.route(states) for states in ([0, 1], [2, 1], [3, 4, 2], [0, 1])]
    where = inference.Destinations(graph, THETA, {1: 3, 2: 1, 4: 0})
    assert dict(zip(where.states, where.prior, strict=True)) == {1: 0.75, 2: 0.25}
    paths = PathDistribution(graph, THETA, 2)
    assert where.log_probability(routes[2]) == paths.log_probability(routes[2])
    with pytest.raises(RouteGraphError, match="ends in state 3, which is none of the destinations"):
        where.log_probability(graph.route([0, 3]))


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ([0, 1, 2], "From state 2, where the seen route has come to, no destination can be reach"),
        ([0, 0], "leaves the graph at its step 0: no action leads from state 0 to state 0"),
        ([9], "leaves the graph at its step 0: there is no state 9, only 0 to 4"),
        ([], "At least one state must be seen"),
    ],
)
def test_what_leads_to_no_destination_is_one_sentence(seen, message):
    graph = graphs.cyclic(np.random.default_rng(0))
    with pytest.raises(RouteGraphError, match=message):
        inference.Destinations(graph, THETA, {1: 1.0}).posterior(seen)
    for prior in ({}, {1: 0.0}, {1: -1.0, 2: 2.0}, {1: np.nan}):
        with pytest.raises(RouteGraphError, match="The prior must be numbers of at least 0"):
            inference.Destinations(graph, THETA, prior)


def test_destinations_are_inferred_better_than_by_the_prior_from_a_fifth_of_the_route():
    for seed in range(5):
        found = destinations.evaluate(seed, destinations.SMALL)
        rows = {row.seen: row for row in found}
        assert rows[0.0].log_probability == pytest.approx(rows[0.0].prior_log_probability)
        for share in (0.2, 0.8):
            assert rows[share].log_probability > rows[share].prior_log_probability
        assert rows[0.2].log_probability < rows[0.8].log_probability
        assert rows[0.8].accuracy > rows[0.8].prior_accuracy
