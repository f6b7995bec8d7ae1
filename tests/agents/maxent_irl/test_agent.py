from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from quinoa.agents.demonstration_agent import DemonstrationsError, OtherCheckpointError
from quinoa.agents.maxent_irl import Agent, Config, sources
from quinoa.irl import route_files
from quinoa.irl.route_files import RouteDataset
from quinoa.irl.route_graph import DivergenceError, RouteGraph
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.run.counts import Counts

ROADS = "roads:3x3,routes=10,destinations=2,shortest=2,costs=0.5"


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("routes") / "routes.npz"
    sources.write(ROADS, path, seed=4)
    return str(path)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "exponentiated_gradient"},
        {"optimizer": "exponentiated_gradient", "batch_size": 3},
    ],
)
def test_a_restored_agent_learns_what_it_would_have_learned(settings, file, tmp_path):
    config = Config(**settings)
    whole = Agent(config, file, seed=0)
    for _ in range(6):
        last = whole.gradient_step(nothing)
    first = Agent(config, file, seed=0)
    for _ in range(3):
        first.gradient_step(nothing)
    path = first.save(str(tmp_path / "learner"))
    second = Agent(config, file, seed=0)
    assert second.restore(path) is None
    assert second.steps == 3
    for _ in range(3):
        found = second.gradient_step(nothing)
    assert found == last
    np.testing.assert_array_equal(second.weights, whole.weights)
    with pytest.raises(OtherCheckpointError, match=r"setting tolerance = 1e-06, which is 0\.1"):
        Agent(dataclasses.replace(config, tolerance=0.1), file, seed=0).restore(path)
    with pytest.raises(OtherCheckpointError, match=r"are not those that .* they have changed"):
        Agent(config, ROADS, seed=0).restore(path)
    with pytest.raises(OtherCheckpointError, match="There is no whole checkpoint"):
        second.restore(str(tmp_path / "nowhere"))


def test_it_learns_until_it_has_converged_and_measures_what_is_held_out(file):
    agent = Agent(Config(tolerance=1e-2), file, seed=0)
    assert agent.held_out is not None and len(agent.held_out.routes) == 2
    assert "8 routes to" in agent.described() and "2 held out" in agent.described()
    values: list[Any] = []
    while not agent.is_over:
        values.append(agent.gradient_step(nothing)["log_likelihood"])
    assert values[-1] > values[0]
    measures: dict[str, Any] = dict(agent.evaluate(nothing))
    assert (
        tuple(measures)
        == tuple(agent.measures)
        == (
            "held_out_log_likelihood",
            "held_out_shared",
            "held_out_matched",
        )
    )
    assert 0 <= measures["held_out_shared"] <= 1
    assert measures["held_out_log_likelihood"] < 0
    assert Agent(Config(held_out=0), file, seed=0).evaluate(nothing) == {}


@pytest.mark.parametrize(
    "settings",
    [{"initial_weight": -5.0}, {"optimizer": "exponentiated_gradient", "learning_rate": 100.0}],
)
def test_what_is_reported_is_of_the_weights_that_are_kept(settings, file):
    agent = Agent(Config(**settings), file, seed=0)
    was_rejected = False
    for _ in range(12):
        tried = agent._optimizer.theta
        row = agent.gradient_step(nothing)
        if row["log_likelihood"] is not None:
            was_rejected |= not np.array_equal(tried, agent.weights)
            kept = agent.learned_from.objective(agent.weights)
            assert row["log_likelihood"] == kept.log_likelihood
            assert row["feature_error"] == np.max(np.abs(kept.gradient))
            assert row["weights_norm"] == np.linalg.norm(agent.weights)
    assert was_rejected


@pytest.fixture
def two_ends(tmp_path):
    # Paths to 4 go round between 2 and 3, and diverge with weights above −log 2; those to 1 do not.
    graph = RouteGraph.deterministic(
        5,
        [0, 0, 2, 2, 3, 3, 3],
        [1, 1, 3, 3, 2, 2, 4],
        np.array([[1.0], [5.0], [1.0], [1.0], [1.0], [1.0], [1.0]]),
    )
    routes = [np.array([1])] * 8 + [np.array([2, 6])] * 2
    route_files.save(tmp_path / "routes.npz", RouteDataset(graph, routes))
    return str(tmp_path / "routes.npz")


ONLINE = Config(optimizer="exponentiated_gradient", batch_size=1, held_out=0, initial_weight=-0.8)


def test_whatever_weights_batches_have_led_to_all_routes_converge_with_those_given_out(
    two_ends, tmp_path
):
    agent, other = (Agent(ONLINE, two_ends, seed=1) for _ in range(2))
    for each in (agent, agent, other, other):
        each.gradient_step(nothing)
    with pytest.raises(DivergenceError):
        agent.learned_from.objective(agent._reached)
    agent.learned_from.objective(agent.weights)
    assert agent.evaluate(nothing) == {}
    # They are what a checkpoint has, and learning continues as if they had not been measured.
    restored = Agent(ONLINE, two_ends, seed=1)
    assert restored.restore(agent.save(str(tmp_path / "learner"))) is None
    np.testing.assert_array_equal(restored.weights, agent.weights)
    for _ in range(20):
        rows = [each.gradient_step(nothing) for each in (agent, other, restored)]
        assert rows[0] == rows[1] == rows[2]


def test_all_routes_converge_with_the_weights_of_every_checkpoint(two_ends, tmp_path):
    agent = Agent(ONLINE, two_ends, seed=1)
    were_moved = 0
    for _ in range(12):
        agent.gradient_step(nothing)
        saved = learner_checkpoints.save(tmp_path, agent, Counts())
        agent.learned_from.objective(saved.policy_parameters())
        restored = Agent(ONLINE, two_ends, seed=1)
        assert restored.restore(saved.learner_prefix) is None
        model = restored.route_model()
        np.testing.assert_array_equal(model.theta, saved.policy_parameters())
        were_moved += not np.array_equal(agent.weights, agent._reached)
    assert 0 < were_moved < 12


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nowhere.npz", {}, "There is no file of routes at nowhere.npz"),
        ("run:RUN", {}, "run:RUN names no routes: give a file"),
        ("roads:7", {}, "must be roads:ROWSxCOLUMNS"),
        ("roads:2x2", {}, "at least 3 rows and 3 columns"),
        ("roads:3x3,cars=2", {}, "there is no cars to be set; it has rows, columns, routes"),
        ("roads:3x3,routes=0", {}, "routes and destinations of at least 1"),
        ("roads:3x3,routes", {}, "'routes' cannot be understood: it must be NAME=VALUE"),
        ("toy:FrozenLake-v9", {}, "FrozenLake"),
        (ROADS, {"held_out": 0.99}, "leaves none of 10 routes to learn from"),
        (ROADS, {"initial_weight": -1e-3}, r"initial_weight = -0\.001 cannot work.*diverges"),
        (
            ROADS,
            {"optimizer": "exponentiated_gradient", "batch_size": 9},
            "batch_size must be from 1 to 8",
        ),
    ],
)
def test_what_nothing_can_be_learned_from_is_one_sentence(name, settings, message):
    with pytest.raises(DemonstrationsError, match=message) as raised:
        Agent(Config(**settings), name, seed=0)
    assert "\n" not in str(raised.value)


def test_features_that_are_all_0_ask_for_weights_to_begin_with(tmp_path):
    graph = RouteGraph.deterministic(2, [0], [1], np.zeros((1, 2)))
    route_files.save(tmp_path / "a.npz", RouteDataset(graph, [np.array([0])]))
    with pytest.raises(
        DemonstrationsError, match=r"features of action 0 do not sum.*initial_weight"
    ):
        Agent(Config(held_out=0), str(tmp_path / "a.npz"), seed=0)


def test_a_small_task_of_known_probabilities_is_a_graph():
    dataset = sources.load("toy:FrozenLake-v1,routes=3", 0)
    assert dataset.graph.num_states == 16
    assert {int(dataset.graph.states(route)[-1]) for route in dataset.routes} == {15}
