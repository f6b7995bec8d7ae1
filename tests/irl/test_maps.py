from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from quinoa.irl import maps, road_network
from quinoa.irl.inference import Destinations, most_likely_route
from tests.irl import graphs

THETA = road_network.preferences()


@pytest.fixture(scope="module")
def network():
    return road_network.generate(np.random.default_rng(0), 4, 4)


def test_the_cost_of_a_state_is_the_mean_of_its_actions(network):
    graph = network.graph
    state = 5
    edges = graph.edges_from(state)
    costs = maps.costs_of_states(graph, THETA)
    assert costs[state] == pytest.approx(-graph.rewards(THETA)[edges].mean())
    miles = network.miles[graph.edge_source]
    of_a_mile = maps.costs_of_states(graph, THETA, miles)
    np.testing.assert_allclose(of_a_mile, costs / network.miles)
    # With chance, what comes of an action does not matter. The last state has no action.
    slippery = graphs.slippery(np.random.default_rng(0))
    found = maps.costs_of_states(slippery, np.array([1.0, 2.0]))
    actions = np.flatnonzero(slippery.action_state == 0)
    assert found[0] == pytest.approx(-slippery.rewards(np.array([1.0, 2.0]))[actions].mean())
    assert np.isnan(found[-1]) and np.isfinite(found[:-1]).all()


def test_a_picture_has_what_was_learned_and_what_is_predicted(network):
    graph = network.graph
    route = most_likely_route(graph, THETA, 20, 3)
    states = graph.states(route).tolist()
    where = Destinations(graph, THETA, {3: 0.5, 30: 0.5})
    seen = states[: len(states) // 2]
    figure = maps.picture(
        graph,
        THETA,
        network.places,
        names=road_network.FEATURES,
        where=where,
        seen=seen,
        route=states[len(seen) - 1 :],
    )
    costs, weights, prediction, posteriors = figure.axes[:4]
    roads: Any = costs.collections[0]
    np.testing.assert_allclose(roads.get_array(), maps.costs_of_states(graph, THETA))
    bars: Any = weights.patches
    assert [bar.get_width() for bar in bars] == (-THETA).tolist()
    assert [text.get_text() for text in weights.get_yticklabels()] == list(road_network.FEATURES)
    lines = [each for each in prediction.collections if isinstance(each, LineCollection)]
    # All roads, those where the route may go on, what was seen, and the predicted rest.
    assert [len(each.get_segments()) for each in lines][::2] == [graph.num_states, len(seen)]
    assert len(lines[3].get_segments()) == len(states) - len(seen) + 1
    curves = {line.get_label(): line.get_ydata() for line in posteriors.lines}
    found = where.posteriors(seen)
    np.testing.assert_array_equal(curves["3"], found[:, 0])
    np.testing.assert_array_equal(curves["30"], found[:, 1])


def test_opposite_ways_are_drawn_beside_one_another(network):
    axes = Figure().subplots()
    maps.draw_costs(axes, network.places, np.ones(network.graph.num_states))
    roads: Any = axes.collections[0]
    segments = roads.get_segments()
    half = network.graph.num_states // 2
    # The second half of a generated network is the other direction of the first.
    assert np.array_equal(network.places[0], network.places[half][::-1])
    assert not np.allclose(segments[0], segments[half][::-1])


def test_what_is_less_probable_is_one_curve():
    graph = graphs.cyclic(np.random.default_rng(0))
    where = Destinations(graph, np.array([-0.6, -0.9, -0.7]), {1: 0.4, 2: 0.3, 3: 0.2, 4: 0.1})
    axes = Figure().subplots()
    maps.draw_posteriors(axes, where, [0], most=2)
    assert [line.get_label() for line in axes.lines] == ["1", "2", "2 others"]
    assert axes.lines[2].get_ydata() == pytest.approx([0.3])
