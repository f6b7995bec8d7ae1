"""Resets: after each period all that is learned is new, and nothing else is (Nikishin et al.)."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from acme import specs

from quinoa.agents import crossq, dqn, iq, preprocessing, quinoa, resets, sac, sql
from quinoa.agents.sql import loss as sql_loss
from quinoa.agents.sql import proposals
from tests.agents.fixtures import make_batch, make_spec, make_transitions
from tests.agents.learners import LearnerPool

SMALL: dict[str, Any] = {"batch_size": 16, "hidden_sizes": (8,), "reset_period": 4}
SMALL_FLOW: dict[str, Any] = {"num_couplings": 1, "coupling_hidden_sizes": (8,)}
CONFIG = iq.Config(**SMALL)
LEARNERS = LearnerPool()
# The states and the seed of a draw of actions.
DRAW = make_batch().observation, tf.constant([1, 2])


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


@pytest.mark.parametrize(
    ("saved", "steps", "expected"),
    [
        (0, 4, False),  # The one at 4 is still to come, before the next step.
        (0, 5, True),
        (3, 5, True),
        (4, 4, False),
        (4, 5, True),
        (5, 8, False),
        (5, 17, True),
    ],
)
def test_a_checkpoint_has_missed_the_resets_that_were_done_since(saved, steps, expected):
    assert resets.is_missed(saved, steps, period=4) == expected
    assert not resets.is_missed(saved, steps, period=0)


def test_going_back_across_a_reset_resets_again(tmp_path):
    learner, batches = made(), make_transitions(6, 16)
    learner.step(part(batches, 0, 3))
    before, path = learner.parameters(), learner.save(str(tmp_path / "before"))
    learner.step(part(batches, 3, 5))
    after, later = learner.parameters(), learner.save(str(tmp_path / "after"))
    learner.go_back(path)
    assert learner.steps == 5
    assert distance(before, learner.parameters()) > 0.5
    # It waits for its first batch, as does one that resumes from here.
    new = learner.parameters()
    learner.restore(learner.save(str(tmp_path / "new")))
    assert not learner._is_initialized
    # No other one comes before the step after the next multiple of the period.
    learner.step(part(batches, 5, 6))
    assert distance(new, learner.parameters()) < 0.5
    # And none where the checkpoint is from after it.
    learner.go_back(later)
    np.testing.assert_array_equal(learner.parameters(), after)


def step_to(agent, step, seed=0):
    batch = tf.nest.map_structure(lambda field: field[0], make_transitions(1, 16, seed=seed))
    agent.after_step(tf.constant(step, tf.int64), batch, tf.constant([1, 2]))


def renewed(agent, make):
    """Whether each of its trained variables has changed with a reset."""
    before = values(agent.trainable_variables)
    resets.renew(agent, make, [0, 1])
    after = values(agent.trainable_variables)
    return [np.any(old != new) for old, new in zip(before, after, strict=True)]


def test_a_learning_rate_that_halves_goes_on():
    config = quinoa.Config(hidden_sizes=(8,), **SMALL_FLOW, learning_rate_half_life=10)
    agent = quinoa.Agent(config, make_spec())
    step_to(agent, 5)
    rate = agent._learning_rate.numpy()
    assert rate < config.learning_rate
    assert any(renewed(agent, lambda: quinoa.Agent(config, make_spec())))
    assert agent._learning_rate.numpy() == rate


@pytest.mark.parametrize("normalizes", [False, True])
def test_epsilon_goes_on(normalizes):
    config = dqn.Config(hidden_sizes=(8,), epsilon_steps=10, normalize_observations=normalizes)
    spec = make_spec(actions=specs.DiscreteArray(3))
    agent_class = preprocessing.applied(dqn.Agent, config)
    agent = agent_class(config, spec)
    batch = tf.nest.map_structure(lambda field: field[0], make_transitions(1, 16))
    batch = batch._replace(action=np.zeros(16, np.int32))
    agent.after_step(tf.constant(5, tf.int64), batch, tf.constant([1, 2]))
    (epsilon,) = (variable.numpy() for variable in agent.policy.scheduled())
    assert epsilon < config.epsilon_start
    assert any(renewed(agent, lambda: agent_class(config, spec)))
    assert [variable.numpy() for variable in agent.policy.scheduled()] == [epsilon]


def test_the_annealing_of_soft_q_learning_goes_on_and_its_uniform_proposals_begin_anew():
    config = sql.Config(
        hidden_sizes=(8,),
        reset_period=4,
        uniform_steps=2,
        alpha=1.0,
        final_alpha=0.01,
        alpha_steps=10,
        noise_set_size=9,
        map_policy=True,
    )
    agent = sql.Agent(config, make_spec())
    for step in range(1, 5):
        step_to(agent, step)
    alpha, size = agent._alpha().numpy(), values(agent.policy.scheduled())
    assert alpha < 1.0 and size[0] < 9.0
    assert any(renewed(agent, lambda: sql.Agent(config, make_spec())))
    assert (agent._alpha().numpy(), values(agent.policy.scheduled())) == (alpha, size)

    def proposes_uniformly() -> bool:
        value = agent._soft_value(agent._q, *DRAW)
        count = config.num_value_samples
        action, log_proposal = proposals.uniform(len(DRAW[0]), count, agent._action_size, DRAW[1])
        q = agent._of_each(agent._q, DRAW[0], action)
        return np.array_equal(value, sql_loss.soft_value(q, log_proposal, agent._alpha()))

    is_uniform = [proposes_uniformly()]
    for step in (5, 6):
        step_to(agent, step)
        is_uniform.append(proposes_uniformly())
    assert is_uniform == [True, True, False]


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
    learner, batches = made(config), make_transitions(6, 16)
    learner.step(batches)
    statistics = learner.agent._observations
    # Each batch once: none more at the start, nor at a reset.
    assert statistics._count.numpy() == 6 * 16
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
