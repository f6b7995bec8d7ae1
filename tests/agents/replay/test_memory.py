import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import MemoryReplay, memory
from quinoa.agents.rows import RowLayout
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)
CONFIG = OffPolicyConfig(batch_size=16, min_replay_size=1, max_replay_size=100)


def filled(config, numbers, seed=0):
    replay = MemoryReplay(config, LAYOUT, seed)
    replay.append(numbered(np.asarray(numbers), SPEC))
    return replay


@settings(max_examples=50, deadline=None)
@given(
    max_size=st.integers(16, 200),
    counts=st.lists(st.integers(1, 70), min_size=1, max_size=12),
    initial_rows=st.integers(1, 300),
)
def test_it_holds_the_last_ones_however_it_grows(max_size, counts, initial_rows):
    config = dataclasses.replace(CONFIG, max_replay_size=max_size, batch_size=4000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_INITIAL_ROWS", initial_rows)
        replay = MemoryReplay(config, LAYOUT, seed=1)
        start = 0
        for count in counts:
            replay.append(numbered(np.arange(start, start + count), SPEC))
            start += count
            held = min(start, max_size)
            assert len(replay) == held
            assert replay.num_inserted == start
            drawn = assert_numbered(replay.sample(1), SPEC)
            assert set(drawn.ravel()) == set(range(start - held, start))


def test_samples_are_uniform_and_independent():
    replay = filled(dataclasses.replace(CONFIG, batch_size=100), np.arange(150))
    drawn = assert_numbered(replay.sample(200), SPEC)
    assert drawn.shape == (200, 100)
    counts = np.bincount(drawn.ravel() - 50, minlength=100)
    assert stats.chisquare(counts).pvalue > 1e-3
    # With replacement: 100 draws of 100 hold 1 - 1/e of them on average.
    distinct = np.mean([len(set(batch)) for batch in drawn])
    assert distinct == pytest.approx(63.4, abs=1.0)


def test_the_seed_settles_what_is_drawn():
    def draws(seed):
        replay = filled(CONFIG, np.arange(50), seed)
        first = replay.sample(2)
        replay.append(numbered(np.arange(50, 60), SPEC))
        return tf.nest.flatten([first, replay.sample(3)])

    for one, other in zip(draws(3), draws(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((a != b).any() for a, b in zip(draws(3), draws(4), strict=True))


def test_the_rate_is_held_to_the_transition():
    config = dataclasses.replace(CONFIG, min_replay_size=20, samples_per_insert=8.0)
    replay = filled(config, np.arange(19))
    assert not replay.can_sample(1)
    replay.append(numbered(np.arange(19, 20), SPEC))
    assert replay.can_sample(0)
    assert not replay.can_sample(1)
    superbatch = 3 * config.batch_size
    sampled = 0
    for i in range(20, 200):
        replay.append(numbered(np.array([i]), SPEC))
        while replay.can_sample(superbatch):
            replay.sample(3)
            sampled += superbatch
            assert replay.num_sampled == sampled
        allowed = 8.0 * (i + 1 - 20)
        assert allowed - superbatch < sampled <= allowed


def test_memory_is_taken_as_transitions_come():
    replay = filled(dataclasses.replace(CONFIG, max_replay_size=10**12), np.arange(10_000))
    assert replay._rows.nbytes < 4 * 10_000 * replay._rows.shape[1] * 4
    assert len(replay) == 10_000


def test_what_was_drawn_is_the_callers_to_keep():
    replay = filled(dataclasses.replace(CONFIG, max_replay_size=16), np.arange(16))
    drawn = replay.sample(2)
    before = tf.nest.map_structure(np.copy, drawn)
    replay.append(numbered(np.arange(100, 116), SPEC))
    for field, copy in zip(*map(tf.nest.flatten, (drawn, before)), strict=True):
        np.testing.assert_array_equal(field, copy)


def test_more_at_once_than_it_holds():
    replay = filled(dataclasses.replace(CONFIG, batch_size=1000, max_replay_size=16), range(50))
    assert set(assert_numbered(replay.sample(1), SPEC).ravel()) == set(range(34, 50))


@pytest.mark.parametrize("number", [0, 30, 50, 64, 99, 150])
def test_what_was_saved_is_taken_up_and_gone_on_with(tmp_path, number):
    """Before it is full, when it just is, and when the first ones have been evicted."""
    config = dataclasses.replace(CONFIG, max_replay_size=50, batch_size=2000)
    saved = filled(config, np.arange(number))
    if number:
        saved.sample(1)
    saved.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < saved.num_bytes + 1000
    replay = filled(config, np.arange(1000, 1020), seed=1)
    replay.restore(tmp_path)
    assert (replay.num_inserted, replay.num_sampled) == (number, saved.num_sampled)
    # Whatever comes next evicts the oldest ones of both.
    for each in (saved, replay):
        each.append(numbered(np.arange(number, number + 7), SPEC))
        drawn = assert_numbered(each.sample(1), SPEC)
        assert set(drawn.ravel()) == set(range(max(number + 7 - 50, 0), number + 7))
    assert replay.can_sample(100) == saved.can_sample(100)


def test_what_another_replay_held_is_refused(tmp_path):
    filled(CONFIG, np.arange(40)).save(tmp_path)
    for config, spec in (
        (dataclasses.replace(CONFIG, max_replay_size=30), SPEC),
        (CONFIG, make_spec(observation_size=9)),
    ):
        with pytest.raises(ValueError, match="it is another environment's, or another max_replay"):
            MemoryReplay(config, RowLayout(spec), 0).restore(tmp_path)


def test_an_empty_replay_says_so():
    with pytest.raises(RuntimeError, match="empty"):
        MemoryReplay(CONFIG, LAYOUT, 0).sample(1)


def test_rows_that_are_no_transitions_are_not_held():
    replay = filled(CONFIG, [0, 1, 2])
    replay.append(numbered(np.array([3, 4, 5]), SPEC), np.array([True, False, True]))
    replay.append(numbered(np.array([6, 7, 8]), SPEC), np.zeros(3, bool))
    replay.append(numbered(np.array([9]), SPEC), None)
    assert (len(replay), replay.num_inserted) == (6, 6)
    drawn = assert_numbered(replay.sample(20), SPEC)
    assert set(drawn.ravel()) == {0, 1, 2, 3, 5, 9}
