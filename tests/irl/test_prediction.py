import json

import numpy as np
import pytest

from quinoa.irl import inference
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.prediction import RouteModel, predict
from quinoa.irl.route_graph import RouteGraphError
from tests.irl import graphs

THETA = np.array([-0.6, -0.9, -0.7])


@pytest.fixture(scope="module")
def model() -> RouteModel:
    graph = graphs.cyclic(np.random.default_rng(0))
    routes = [graph.route(states) for states in ([0, 4], [1, 4], [2, 4], [0, 3])]
    return RouteModel(graph, THETA, routes, ["a", "b", "c"], lengths=np.full(20, 0.5))


def test_destinations_are_those_of_the_routes_unless_others_are_given(model):
    found = predict(model, [0])
    assert [(each.state, each.prior) for each in found.candidates] == [(4, 0.75), (3, 0.25)]
    found = predict(model, [0, 1], {2: 1.0, 3: 1.0, 1: 2.0}, most=2)
    assert len(found.candidates) == 2 and len(found.where.states) == 3
    # It may end where it has come to.
    (arrived,) = [each for each in found.candidates if each.state == 1]
    assert (arrived.route, arrived.probability, arrived.length) == ([1], 1.0, 0.0)
    assert arrived.posterior == max(each.posterior for each in found.candidates)


def test_the_way_there_is_the_most_likely_one_with_its_probability(model):
    found = predict(model, [0, 1])
    for each in found.candidates:
        edges = inference.most_likely_route(model.graph, THETA, 1, each.state)
        assert each.route == model.graph.states(edges).tolist()
        paths = PathDistribution(model.graph, THETA, each.state)
        assert each.probability == pytest.approx(np.exp(paths.log_probability(edges)))
        assert each.length == 0.5 * len(edges)
    assert found.posteriors.shape == (2, 2)
    read = json.loads(json.dumps(found.to_json()))
    assert read["seen"] == [0, 1]
    assert read["destinations"][0]["state"] == found.candidates[0].state
    assert read["posterior"]["after_each_step"][-1] == found.posteriors[-1].tolist()


def test_unknown_states_are_one_sentence(model):
    with pytest.raises(RouteGraphError, match="no state 7 for a destination: the graph has 0 to 4"):
        predict(model, [0], {7: 1.0})
    with pytest.raises(RouteGraphError, match="there is no state 9, only 0 to 4"):
        predict(model, [0, 9])
