"""Resets: after each period all that is learned is new, and nothing else is (Nikishin et al.)."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import crossq, iq, quinoa, resets, sac
from tests.agents.fixtures import make_transitions
from tests.agents.learners import LearnerPool

SMALL: dict[str, Any] = {"batch_size": 16, "hidden_sizes": (8,), "reset_period": 4}
SMALL_FLOW: dict[str, Any] = {"num_couplings": 1, "coupling_hidden_sizes": (8,)}
CONFIG = iq.Config(**SMALL)
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def made(config=CONFIG, agent_class=iq.Agent, seed=0):
    return LEARNERS.take(agent_class, config, seed)


def part(batches, start, stop):
    return tf.nest.map_structure(lambda field: field[start:stop], batches)


def values(variables):
    return [variable.numpy() for variable in variables]


def distance(one, other):
    """How far parameters are apart, by their length."""
    return np.linalg.norm(one - other) / np.linalg.norm(one)


@pytest.mark.parametrize(
    ("steps", "number", "period", "expected"),
    [
        (0, 4, 4, [(0, 4, False)]),
        (4, 4, 4, [(0, 4, True)]),
        (3, 10, 4, [(0, 1, False), (1, 5, True), (5, 9, True), (9, 10, True)]),
        (2, 2, 1, [(0, 1, True), (1, 2, True)]),
    ],
)
def test_a_call_is_divided_by_its_resets(steps, number, period, expected):
    assert resets.spans(steps, number, period) == expected


def test_after_the_period_the_parameters_are_new_ones():
    learner, batches = made(), make_transitions(9, 16)
    history = [learner.parameters()]
    for k in range(9):
        learner.step(part(batches, k, k + 1))
        history.append(learner.parameters())
    moves = [distance(one, other) for one, other in itertools.pairwise(history)]
    # The fifth step and the ninth are the first ones after a reset.
    assert [index for index, move in enumerate(moves) if move > 0.5] == [4, 8]
    # One step from new parameters, and those are others at each reset.
    assert distance(history[5], history[9]) > 0.5


@pytest.mark.parametrize(
    ("agent_class", "config"),
    [
        (iq.Agent, CONFIG),
        (sac.Agent, sac.Config(**SMALL)),
        (quinoa.Agent, quinoa.Config(**SMALL, **SMALL_FLOW, prior_period=3, num_dual_actions=4)),
        (crossq.Agent, crossq.Config(**SMALL, critic_hidden_sizes=(8,))),
    ],
    ids=["iq", "sac", "quinoa", "crossq"],
)
def test_it_is_the_first_step_of_a_new_agent(agent_class, config, monkeypatch):
    """As a learner's whose variables are set to a new agent's and whose optimisers are new."""
    learner, batches = made(config, agent_class), make_transitions(5, 16)
    learner.step(part(batches, 0, 4))
    learner._reset()
    fresh, seed = values(learner.agent.variables), learner._seed.numpy()
    # It is at a multiple of the period, and would be reset once more.
    monkeypatch.setattr(learner, "_reset", lambda: None)
    learner.step(part(batches, 4, 5))
    after = values(learner.state)
    LEARNERS.give_back()
    # The same one made as new, for its graph.
    other = made(config, agent_class, seed=7)
    for variable, value in zip(other.agent.variables, fresh, strict=True):
        variable.assign(value)
    other._seed.assign(seed)
    other._steps.assign(4)
    other.step(part(batches, 4, 5))
    for ours, theirs in zip(after, other.state, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_where_it_falls_in_a_call_changes_nothing():
    batches, states = make_transitions(10, 16), []
    for calls in ((10,), (3, 3, 4), (4, 6), (1,) * 10):
        LEARNERS.give_back()
        learner, start = made(), 0
        for size in calls:
            learner.step(part(batches, start, start + size))
            start += size
        states.append(values(learner.state))
    for other in states[1:]:
        for ours, theirs in zip(states[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("saved_at", [3, 4, 5])
def test_a_checkpoint_continues_the_same(tmp_path, saved_at):
    batches = make_transitions(6, 16)
    one, other = made(), made(seed=1)
    one.step(part(batches, 0, saved_at))
    other.restore(one.save(str(tmp_path / "checkpoint")))
    for learner in (one, other):
        learner.step(part(batches, saved_at, 6))
    for ours, theirs in zip(one.state, other.state, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_statistics_of_observations_stay():
    config = dataclasses.replace(CONFIG, normalize_observations=True)
    learner = made(config)
    learner.step(make_transitions(4, 16))
    statistics = learner.agent._observations
    before, parameters = values(statistics.variables), values(learner.agent.trainable_variables)
    learner._reset()
    for old, new in zip(before, statistics.variables, strict=True):
        np.testing.assert_array_equal(old, new)
    changed = [
        np.any(old != new)
        for old, new in zip(parameters, learner.agent.trainable_variables, strict=True)
    ]
    assert all(changed)


def test_the_average_begins_anew():
    config = dataclasses.replace(CONFIG, evaluation_average=0.01)
    learner, batches = made(config), make_transitions(5, 16)
    learner.step(part(batches, 0, 4))
    assert distance(learner.parameters(), learner.evaluation_parameters()) > 1e-4
    learner.step(part(batches, 4, 5))
    np.testing.assert_allclose(learner.evaluation_parameters(), learner.parameters(), atol=1e-6)


def test_without_a_period_there_is_none():
    plain = made(dataclasses.replace(CONFIG, reset_period=0))
    late = made(dataclasses.replace(CONFIG, reset_period=100))
    for learner in (plain, late):
        learner.step(make_transitions(5, 16))
    np.testing.assert_array_equal(plain.parameters(), late.parameters())
