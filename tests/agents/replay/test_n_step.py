from typing import Any

import numpy as np
import pytest
from dm_env import specs

from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import NStepReplay
from quinoa.agents.replay.n_step import NStepWriter
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import (
    ACTIONS_BETWEEN,
    BETWEEN,
    STATES_BETWEEN,
    WEIGHTS_BETWEEN,
    Transition,
)
from quinoa.launch.checks.subject import part, random_transitions
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import as_queue, drain, serve

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)
GAMMA = 0.9
STEPS, ENVIRONMENTS = 40, 3
N = pytest.mark.parametrize("n", [1, 2, 5, 50])


class Written:
    """A writer that keeps what it is given."""

    def __init__(self):
        self.steps: list[tuple[Transition, np.ndarray | None]] = []
        self.is_closed = False

    def append(self, transitions, valid=None):
        self.steps.append((transitions, valid))

    def close(self):
        self.is_closed = True
        return "closed"


def stream(seed=0):
    """Transitions [T, N] with terminations, time limits and other discounts, and which are any."""
    rng, shape = np.random.default_rng(seed), (STEPS, ENVIRONMENTS)
    transitions = random_transitions(SPEC, *shape, seed=seed)
    last = rng.uniform(size=shape) < 0.2
    discount = np.where(last & (rng.uniform(size=shape) < 0.5), 0.0, 1.0)
    discount = np.where(rng.uniform(size=shape) < 0.2, 0.5 * discount, discount)
    number = np.arange(last.size, dtype=np.float32).reshape(shape)
    transitions = transitions._replace(
        last=last, discount=discount.astype(np.float32), extras={"number": number}
    )
    return transitions, rng.uniform(size=shape) > 0.1


def expected(transitions, valid, t, i, n):
    """R, D, s_{t+m} and whether that ends the episode, by their definition."""
    reward, so_far = 0.0, 1.0
    for k in range(n):
        if t + k == STEPS or not valid[t + k, i]:
            break
        reward += GAMMA**k * so_far * transitions.reward[t + k, i]
        so_far *= transitions.discount[t + k, i]
        end, discount = t + k, GAMMA**k * so_far
        if transitions.last[end, i]:
            break
    return reward, discount, transitions.next_observation[end, i], transitions.last[end, i]


@N
def test_each_transition_begins_one_of_n_or_of_as_many_as_there_are(n):
    transitions, valid = stream()
    assert valid.any() and not valid.all()
    written = Written()
    writer = NStepWriter(written, n, GAMMA)
    for t in range(STEPS):
        writer.append(part(transitions, t), valid[t])
        # Written as soon as it is known.
        assert len(written.steps) == max(0, t + 2 - n)
    assert writer.close() == "closed"
    assert written.is_closed
    assert len(written.steps) == STEPS
    for t, (found, found_valid) in enumerate(written.steps):
        is_valid = np.ones(ENVIRONMENTS, bool) if found_valid is None else found_valid
        np.testing.assert_array_equal(is_valid, valid[t])
        for i in np.flatnonzero(valid[t]):
            np.testing.assert_array_equal(found.observation[i], transitions.observation[t, i])
            np.testing.assert_array_equal(found.action[i], transitions.action[t, i])
            np.testing.assert_array_equal(found.extras["number"][i], ENVIRONMENTS * t + i)
            reward, discount, next_observation, last = expected(transitions, valid, t, i, n)
            np.testing.assert_allclose(found.reward[i], reward, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(found.discount[i], discount, rtol=1e-5)
            np.testing.assert_array_equal(found.next_observation[i], next_observation)
            assert found.last[i] == last
            assert found.reward.dtype == found.discount.dtype == np.float32


@N
def test_the_states_between_are_there_where_they_are_asked_for(n):
    transitions, valid = stream()
    written = Written()
    writer = NStepWriter(written, n, GAMMA, between=BETWEEN)
    for t in range(STEPS):
        writer.append(part(transitions, t), valid[t])
    writer.close()
    for t, (found, _) in enumerate(written.steps):
        states, weights = found.extras[STATES_BETWEEN], found.extras[WEIGHTS_BETWEEN]
        actions = found.extras[ACTIONS_BETWEEN]
        assert states.shape == (ENVIRONMENTS, n - 1, 3) and states.dtype == np.float32
        assert weights.shape == (ENVIRONMENTS, n - 1) and weights.dtype == np.float32
        for i in np.flatnonzero(valid[t]):
            so_far, k = 1.0, 1
            while (
                k < n and t + k < STEPS and valid[t + k, i] and not transitions.last[t + k - 1, i]
            ):
                so_far *= GAMMA * transitions.discount[t + k - 1, i]
                np.testing.assert_allclose(weights[i, k - 1], so_far, rtol=1e-5)
                np.testing.assert_array_equal(states[i, k - 1], transitions.observation[t + k, i])
                np.testing.assert_array_equal(actions[i, k - 1], transitions.action[t + k, i])
                k += 1
            assert not weights[i, k - 1 :].any() and np.all(np.isfinite(states[i]))


def test_a_source_adds_them_where_the_agent_declares_them():
    config = OffPolicyConfig(batch_size=4, min_replay_size=1, discount=GAMMA, n_step=3)
    extras = {
        STATES_BETWEEN: specs.Array((2, 3), np.float32),
        WEIGHTS_BETWEEN: specs.Array((2,), np.float32),
    }
    transitions, valid = stream()
    for declared in ({}, extras):
        layout = RowLayout(SPEC, declared)
        memory = NStepReplay(config, layout, steps_per_call=1).memory(seed=0)
        writer = memory.writer(ENVIRONMENTS)
        for t in range(STEPS):
            writer.append(part(transitions, t)._replace(extras={}), valid[t])
        writer.close()
        assert len(memory) == valid.sum()
        batch = memory.sample(1)
        assert batch.extras.keys() == declared.keys()
        if declared:
            assert batch.extras[STATES_BETWEEN].shape == (1, 4, 2, 3)


def test_what_is_written_over_after_it_was_given_is_not_lost():
    """As an actor's environments may do with their arrays."""
    transitions, valid = stream()
    written, again = Written(), Written()
    of_one, of_other = NStepWriter(written, 3, GAMMA), NStepWriter(again, 3, GAMMA)
    shared = Transition(*(field[0].copy() for field in transitions[:-1]))
    shared_valid = valid[0].copy()
    for t in range(STEPS):
        given = part(transitions, t)
        of_one.append(given._replace(extras={}), valid[t])
        for field, values in zip(shared[:-1], given[:-1], strict=True):
            field[...] = values
        shared_valid[...] = valid[t]
        of_other.append(shared, shared_valid)
    for (one, _), (other, _) in zip(written.steps, again.steps, strict=True):
        np.testing.assert_array_equal(LAYOUT.pack(one), LAYOUT.pack(other))


def test_a_server_and_a_memory_hold_the_same():
    config = OffPolicyConfig(
        batch_size=8, min_replay_size=1, discount=GAMMA, segment_length=4, n_step=3
    )
    source = NStepReplay(config, LAYOUT, steps_per_call=1)
    assert source.combines
    transitions, valid = stream()
    transitions = transitions._replace(extras={})
    memory: Any = source.memory(seed=0)
    with serve(*(as_queue(table) for table in source.tables())) as address:
        on_server = source.writer(address, ENVIRONMENTS, should_stop=lambda: False)
        for writer in (memory.writer(ENVIRONMENTS), on_server):
            for t in range(STEPS):
                writer.append(part(transitions, t), valid[t])
            writer.close()
        served = np.concatenate([LAYOUT.pack(each) for each in drain(address, SPEC)])
    assert len(served) == len(memory) == valid.sum()
    stored = memory._memory._rows[: len(memory)]
    for rows in (served, stored):
        assert rows.shape == (valid.sum(), LAYOUT.width)
    np.testing.assert_array_equal(served[np.lexsort(served.T)], stored[np.lexsort(stored.T)])
    # And they are the n-step ones: rewards of one step alone are another sum.
    assert abs(stored.sum() - LAYOUT.pack(transitions)[valid].sum()) > 1.0
