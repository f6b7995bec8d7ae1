import math
import threading
import time

import numpy as np
import pytest
import reverb

from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import TABLE, SegmentWriter, make_table, superbatches
from quinoa.agents.rows import RowLayout
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered, serve, settled_size

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)


class Run:
    """Actors that write as fast as they may (or slower) beside a learner, over one server."""

    def __init__(self, config, address, *, steps_per_call, num_actors, num_environments):
        self._config = config
        self._address = address
        self._steps_per_call = steps_per_call
        self._num_environments = num_environments
        self.stop = threading.Event()
        self._actors = [threading.Thread(target=self._act, args=(i,)) for i in range(num_actors)]
        self.pause_s = 0.0

    def _act(self, index):
        writer = SegmentWriter(
            self._address,
            self._num_environments,
            self._config,
            LAYOUT,
            should_stop=self.stop.is_set,
        )
        step = 0
        while not self.stop.is_set():
            writer.append(numbered(np.full(self._num_environments, step % 10_000), SPEC))
            step += 1
            time.sleep(self.pause_s)
        writer.close(0.1)

    def learn(self, num_superbatches, *, actor_pause_s=0.0, learner_pause_s=0.0, limit_s=60.0):
        """Returns the transitions learned from, and those inserted."""
        self.pause_s = actor_pause_s
        expired = threading.Timer(limit_s, self.stop.set)
        expired.start()
        for actor in self._actors:
            actor.start()
        used = 0
        drawn = superbatches(
            self._address,
            self._config,
            LAYOUT,
            steps_per_call=self._steps_per_call,
            should_stop=self.stop.is_set,
        )
        try:
            for superbatch in drawn:
                used += math.prod(superbatch.reward.shape)
                num_superbatches -= 1
                if not num_superbatches:
                    break
                time.sleep(learner_pause_s)
            info = reverb.Client(self._address).server_info(5)[TABLE].rate_limiter_info
        finally:
            expired.cancel()
            self.stop.set()
            for actor in self._actors:
                actor.join(10)
        drawn.close()
        assert not num_superbatches, "Deadlock: actors and learner wait for one another."
        return used, info.insert_stats.completed * self._config.segment_length


@pytest.mark.parametrize(
    ("samples_per_insert", "segment_length", "batch_size", "steps_per_call"),
    [
        (16.0, 16, 256, 10),
        (16.0, 50, 256, 1),  # 6 segments of 50 for 256 transitions: 44 of 300 are dropped.
        (256.0, 7, 32, 5),
        (0.5, 4, 16, 4),
    ],
)
@pytest.mark.parametrize("slow", ["actors", "learner"])
def test_the_learner_trains_on_each_transition_as_often_as_asked(
    samples_per_insert, segment_length, batch_size, steps_per_call, slow
):
    config = OffPolicyConfig(
        segment_length=segment_length,
        batch_size=batch_size,
        min_replay_size=200,
        max_replay_size=1000,  # Most of what is inserted is evicted in the course of it.
    )
    table = make_table(
        config, LAYOUT, samples_per_insert=samples_per_insert, steps_per_call=steps_per_call
    )
    # What the docstring of `tables` allows, as 10 % of what is drawn.
    superbatch = steps_per_call * batch_size
    allowed = 1.25 * superbatch + samples_per_insert * segment_length
    num_superbatches = math.ceil(10 * allowed / superbatch) + 2
    with serve(table) as address:
        run = Run(config, address, steps_per_call=steps_per_call, num_actors=2, num_environments=3)
        used, inserted = run.learn(
            num_superbatches,
            actor_pause_s=0.002 if slow == "actors" else 0.0,
            learner_pause_s=0.01 if slow == "learner" else 0.0,
        )
    ratio = used / (inserted - config.min_replay_size)
    assert ratio == pytest.approx(samples_per_insert, rel=0.1)


@pytest.mark.parametrize("samples_per_insert", [0.05, 1.0, 1000.0])
@pytest.mark.parametrize(("segment_length", "steps_per_call"), [(1, 100), (16, 500), (64, 1)])
def test_no_deadlock_however_large_a_superbatch_is(
    samples_per_insert, segment_length, steps_per_call
):
    config = OffPolicyConfig(
        segment_length=segment_length, batch_size=8, min_replay_size=1, max_replay_size=100
    )
    table = make_table(
        config, LAYOUT, samples_per_insert=samples_per_insert, steps_per_call=steps_per_call
    )
    # At 0.05 samples an insert, a superbatch takes twenty times as many insertions.
    num_superbatches = 2 if samples_per_insert < 1 and steps_per_call > 1 else 5
    with serve(table) as address:
        run = Run(config, address, steps_per_call=steps_per_call, num_actors=1, num_environments=4)
        run.learn(num_superbatches)


def test_sizes_are_in_transitions():
    config = OffPolicyConfig(segment_length=16, min_replay_size=33, max_replay_size=100)
    info = make_table(config, LAYOUT, samples_per_insert=64.0, steps_per_call=50).info
    assert info.max_size == 7
    assert info.rate_limiter_info.min_size_to_sample == 3
    assert info.rate_limiter_info.samples_per_insert == 64.0
    assert info.max_times_sampled == 0
    assert info.signature.shape == (16, 2 * 3 + 2 + 3)


def test_nothing_is_drawn_before_the_least_size_and_then_a_superbatch_without_more():
    config = OffPolicyConfig(segment_length=4, batch_size=8, min_replay_size=40)
    table = make_table(config, LAYOUT, samples_per_insert=2.0, steps_per_call=10)
    with serve(table) as address:
        writer = SegmentWriter(address, 1, config, LAYOUT)
        for i in range(39):
            writer.append(numbered(np.array([i]), SPEC))
        started = time.monotonic()
        waiting = superbatches(
            address,
            config,
            LAYOUT,
            steps_per_call=10,
            should_stop=lambda: time.monotonic() - started > 0.6,
        )
        assert list(waiting) == []
        writer.append(numbered(np.array([39]), SPEC))
        assert settled_size(address, 10) == 10
        drawing = superbatches(address, config, LAYOUT, steps_per_call=10)
        assert assert_numbered(next(drawing), SPEC).shape == (10, 8)
        drawing.close()
        assert writer.close()
