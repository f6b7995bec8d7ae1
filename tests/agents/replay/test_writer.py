import time

import numpy as np
import pytest
import reverb
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from quinoa import environments
from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import TABLE, MemoryReplay, SegmentWriter, make_table
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import Transition
from quinoa.environments import CanonicalEnvironment, EnvironmentBatch
from quinoa.launch.checks.subject import part
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import (
    as_queue,
    assert_numbered,
    drain,
    numbered,
    serve,
    settled_size,
    table_size,
)
from tests.environments.fakes import Episode, ScriptedEnvironment

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)
EPISODES = st.lists(st.builds(Episode, st.integers(1, 12), st.booleans()), min_size=1, max_size=4)


def play(scripts, num_steps, writer, seed):
    """Acts at random; returns the actions [T, N, A]."""
    batch = EnvironmentBatch(
        [ScriptedEnvironment(script, identity=i) for i, script in enumerate(scripts)]
    )
    rng = np.random.default_rng(seed)
    actions = rng.uniform(-1, 1, (num_steps, len(scripts), 2)).astype(np.float32)
    observation = batch.reset()
    for action in actions:
        step = batch.step(action)
        writer.append(
            Transition(
                observation, action, step.reward, step.discount, step.next_observation, step.last
            )
        )
        observation = step.observation
    return actions


def script_transitions(script, identity, actions):
    """What a `ScriptedEnvironment` must have given, from its definition; [T] of one environment."""
    rows = []
    episode = t = 0
    before = np.zeros(2)
    for action in actions:
        current = script[episode % len(script)]
        t += 1
        last = t == current.length
        rows.append(
            Transition(
                np.array([identity, episode, t - 1, *before], np.float32),
                action,
                np.float32(100 * episode + t),
                np.float32(0 if last and current.terminates else 1),
                np.array([identity, episode, t, *action], np.float32),
                last,
            )
        )
        before = action
        if last:
            episode, t, before = episode + 1, 0, np.zeros(2)
    return tf.nest.map_structure(lambda *fields: np.array(fields), *rows)


def assert_equal(found, expected):
    assert found.extras == expected.extras == {}
    for name, field, wanted in list(zip(Transition._fields, found, expected, strict=True))[:-1]:
        np.testing.assert_array_equal(field, wanted, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(
    scripts=st.lists(EPISODES, min_size=1, max_size=4),
    num_steps=st.integers(1, 40),
    segment_length=st.integers(1, 9),
    max_replay_size=st.one_of(st.integers(9, 60), st.just(10_000)),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_transition_is_stored_once_until_it_is_evicted(
    scripts, num_steps, segment_length, max_replay_size, seed
):
    spec = environments.environment_spec(CanonicalEnvironment(ScriptedEnvironment(scripts[0])))
    config = OffPolicyConfig(
        segment_length=segment_length, min_replay_size=1, max_replay_size=max_replay_size
    )
    table = make_table(config, RowLayout(spec), samples_per_insert=1.0, steps_per_call=1)
    with serve(as_queue(table)) as address:
        writer = SegmentWriter(address, len(scripts), config, RowLayout(spec))
        actions = play(scripts, num_steps, writer, seed)
        assert writer.close()
        held = drain(address, spec)

    expected = [
        part(transitions, slice(start, start + segment_length))
        for start in range(0, num_steps, segment_length)
        for transitions in (
            script_transitions(script, i, actions[:, i]) for i, script in enumerate(scripts)
        )
    ]
    # All of them, in order, or where there is no room for all, the last ones.
    capacity = -(-max_replay_size // segment_length)
    assert len(held) == min(len(expected), capacity)
    for found, wanted in zip(held, expected[-capacity:], strict=True):
        assert_equal(found, wanted)


@settings(max_examples=30, deadline=None)
@given(
    scripts=st.lists(EPISODES, min_size=1, max_size=4),
    num_steps=st.integers(1, 40),
    max_replay_size=st.one_of(st.integers(1, 60), st.just(10_000)),
    seed=st.integers(0, 2**32 - 1),
)
def test_memory_replay_holds_the_same_until_it_is_evicted(
    scripts, num_steps, max_replay_size, seed
):
    spec = environments.environment_spec(CanonicalEnvironment(ScriptedEnvironment(scripts[0])))
    config = OffPolicyConfig(
        segment_length=1, min_replay_size=1, max_replay_size=max_replay_size, batch_size=4096
    )
    replay = MemoryReplay(config, RowLayout(spec), seed)
    actions = play(scripts, num_steps, replay, seed)
    by_environment = [
        script_transitions(script, i, actions[:, i]) for i, script in enumerate(scripts)
    ]
    rows = [
        tuple(np.concatenate([np.ravel(field[t]) for field in transitions[:-1]]))
        for t in range(num_steps)
        for transitions in by_environment
    ][-max_replay_size:]
    assert len(replay) == len(rows)
    sample = replay.sample(1)
    found = {
        tuple(np.concatenate([np.ravel(field[0, i]) for field in sample[:-1]]))
        for i in range(config.batch_size)
    }
    # 4096 draws from at most 160: each of them, but for one chance in 1e8, and nothing else.
    assert found == set(rows)


def limited_table(config):
    """Holds 8 segments at most before the learner, which never comes, has to draw."""
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=1)
    limiter = reverb.rate_limiters.SampleToInsertRatio(1.0, 1, (-2.0, 8.0))
    return table.replace(rate_limiter=limiter)


def test_a_closed_rate_limiter_blocks_the_actor_with_a_bounded_number_on_the_way():
    config = OffPolicyConfig(segment_length=2)
    with serve(limited_table(config)) as address:
        waits = []

        def should_stop():
            waits.append(time.monotonic())
            return len(waits) == 3

        writer = SegmentWriter(address, 2, config, LAYOUT, should_stop=should_stop)
        appended = 0
        while len(waits) < 3 and appended < 100:
            writer.append(numbered(np.array([1, 2]), SPEC))
            appended += 1
        # Eight segments held and two on their way fill 10 appends; the next two of each
        # environment are too many.
        assert appended == 12
        assert settled_size(address, 8) == 8
        assert waits[-1] - waits[0] >= 0.15
        started = time.monotonic()
        assert writer.close(0.3) is False
        assert 0.25 < time.monotonic() - started < 2.0
        assert table_size(address) == 8


def test_blocked_segments_arrive_once_the_learner_draws():
    config = OffPolicyConfig(segment_length=2)
    with serve(limited_table(config)) as address:
        writer = SegmentWriter(address, 2, config, LAYOUT, should_stop=lambda: True)
        for i in range(10):
            writer.append(numbered(np.array([2 * i, 2 * i + 1]), SPEC))
        assert settled_size(address, 8) == 8
        keys = {s.info.key for s in reverb.Client(address).sample(TABLE, 4, emit_timesteps=False)}
        assert keys
        assert writer.close()
        assert table_size(address) == 10


def test_close_writes_the_last_transitions_once():
    config = OffPolicyConfig(segment_length=4)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=1)
    with serve(as_queue(table)) as address:
        writer = SegmentWriter(address, 2, config, LAYOUT)
        for i in range(5):
            writer.append(numbered(np.array([i, 100 + i]), SPEC))
        assert settled_size(address, 2) == 2
        assert writer.close()
        assert writer.close()
        with pytest.raises(RuntimeError, match="closed"):
            writer.append(numbered(np.array([1, 2]), SPEC))
        numbers = [assert_numbered(of, SPEC).tolist() for of in drain(address, SPEC)]
        assert numbers == [[0, 1, 2, 3], [100, 101, 102, 103], [4], [104]]


def test_a_server_for_another_environment_is_refused():
    config = OffPolicyConfig(segment_length=1)
    table = make_table(config, RowLayout(make_spec(7)), samples_per_insert=1.0, steps_per_call=1)
    with serve(table) as address:
        writer = SegmentWriter(address, 1, config, LAYOUT)
        with pytest.raises((ValueError, RuntimeError), match="signature"):
            writer.append(numbered(np.array([1]), SPEC))
        writer.close(0.1)
