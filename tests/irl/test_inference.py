import numpy as np
import pytest

from quinoa.irl import inference
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraphError
from tests.irl import graphs

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
    seen = graph.route([0, 1, 2])
    prior = {1: 0.2, 2: 0.1, 3: 0.3, 4: 0.4}
    found = inference.destination_posterior(graph, THETA, seen, prior)
    joint = {}
    for destination, weight in prior.items():
        # The probability that a path to there begins with these edges, edge by edge.
        paths = PathDistribution(graph, THETA, destination)
        joint[destination] = weight * np.exp(paths.edge_log_probability[seen].sum())
    total = sum(joint.values())
    assert found == pytest.approx({key: value / total for key, value in joint.items()}, abs=1e-12)
    assert found[1] == 0 and found[2] > prior[2]


def test_no_destination_is_one_sentence():
    graph = graphs.cyclic(np.random.default_rng(0))
    with pytest.raises(RouteGraphError, match="no destination of the prior can be reached"):
        inference.destination_posterior(graph, THETA, graph.route([0, 1, 2]), {1: 1.0})
