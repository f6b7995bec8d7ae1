import threading
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf
from scipy import stats

from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import (
    TABLE,
    SegmentWriter,
    UniformReplay,
    dataset,
    make_table,
    planes,
    sampling,
    server,
    superbatches,
)
from quinoa.agents.rows import RowLayout
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import (
    as_queue,
    assert_numbered,
    drawing_threads,
    numbered,
    serve,
)
from tests.agents.replay.images import assert_of_stream, image_spec, stream

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)


def freely_sampled(table):
    return table.replace(rate_limiter=reverb.rate_limiters.MinSize(1))


def write(address, config, streams):
    """Writes the numbers [T, N], T steps of N environments."""
    writer = SegmentWriter(address, streams.shape[1], config, LAYOUT)
    for numbers in streams:
        writer.append(numbered(numbers, SPEC))
    assert writer.close()


@pytest.mark.parametrize(("segment_length", "batch_size"), [(4, 8), (7, 12), (64, 5), (1, 9)])
def test_each_transition_is_in_a_superbatch_once_and_whole(segment_length, batch_size):
    config = OffPolicyConfig(
        segment_length=segment_length, batch_size=batch_size, min_replay_size=1
    )
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=3)
    num_segments = -(-3 * batch_size // segment_length)
    # Full segments, twice as many as the two superbatches take, each of them given out once.
    numbers = np.arange(4 * num_segments * segment_length).reshape(-1, 1)
    with serve(as_queue(table)) as address:
        write(address, config, numbers)
        drawing = superbatches(address, config, LAYOUT, steps_per_call=3)
        first, second = (assert_numbered(next(drawing), SPEC) for _ in range(2))
        drawing.close()
    for got in (first, second):
        assert got.shape == (3, batch_size)
        assert len(np.unique(got)) == got.size
    per_superbatch = num_segments * segment_length
    assert first.max() < per_superbatch <= second.min()
    assert second.max() < 2 * per_superbatch
    if first.size > 20:  # Shuffled: not in the order they came.
        assert (np.diff(first.ravel()) < 0).any()


def test_tensors_have_static_shapes():
    config = OffPolicyConfig(segment_length=4, batch_size=8, min_replay_size=1)
    with serve(
        freely_sampled(make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=2))
    ) as address:
        write(address, config, np.arange(8).reshape(4, 2))
        drawing = superbatches(address, config, LAYOUT, steps_per_call=2)
        superbatch = next(drawing)
        drawing.close()
    fields = tf.nest.flatten(superbatch)
    assert [field.shape for field in fields] == [
        (2, 8, 3),
        (2, 8, 2),
        (2, 8),
        (2, 8),
        (2, 8, 3),
        (2, 8),
    ]
    assert [field.dtype for field in fields] == [tf.float32] * 5 + [tf.bool]
    # With which a learner prepares itself.
    blank = tf.nest.flatten(UniformReplay(config, LAYOUT, steps_per_call=2).blank())
    assert [(field.shape, field.dtype) for field in blank] == [
        (field.shape, field.dtype) for field in fields
    ]


def test_padding_is_never_drawn():
    config = OffPolicyConfig(segment_length=8, batch_size=10, min_replay_size=1)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=2)
    # Three padded segments (lengths 1, 3 and 5) and none that is full: fewer than K·B.
    with serve(freely_sampled(table)) as address:
        for start, length in ((1, 1), (10, 3), (20, 5)):
            write(address, config, np.arange(start, start + length).reshape(-1, 1))
        drawing = superbatches(address, config, LAYOUT, steps_per_call=2)
        drawn = [assert_numbered(next(drawing), SPEC) for _ in range(20)]
        drawing.close()
    assert {int(number) for number in np.unique(drawn)} == {1, 10, 11, 12, 20, 21, 22, 23, 24}


def test_shuffling_puts_every_transition_anywhere_with_equal_chance():
    # 4 segments of 3 of which the last two are padded; K·B = 4 of 9 transitions.
    segment = np.zeros((4, 3, LAYOUT.width), np.float32)
    segment[:2] = LAYOUT.pack(numbered(np.arange(6).reshape(2, 3), SPEC))
    segment[2, :2] = LAYOUT.pack(numbered(np.array([6, 7]), SPEC))
    segment[3, :1] = LAYOUT.pack(numbered(np.array([8]), SPEC))
    tf.random.set_seed(0)

    @tf.function
    def shuffled(drawn):
        return dataset._shuffled_rows(drawn, 2, 2)

    counts = np.zeros((9, 4))
    for _ in range(1200):
        numbers = assert_numbered(LAYOUT.unpack(shuffled(segment).numpy()), SPEC).ravel()
        assert len(set(numbers)) == 4
        counts[numbers, np.arange(4)] += 1
    for place in range(4):
        assert stats.chisquare(counts[:, place]).pvalue > 1e-4


def test_where_padding_leaves_too_few_each_comes_as_often_as_any_other():
    drawn = np.zeros((2, 4, LAYOUT.width), np.float32)
    drawn[0, :3] = LAYOUT.pack(numbered(np.array([1, 2, 3]), SPEC))
    rows = dataset._shuffled_rows(tf.constant(drawn), 1, 7).numpy()
    numbers = assert_numbered(LAYOUT.unpack(rows), SPEC)
    _, counts = np.unique(numbers, return_counts=True)
    assert sorted(counts) == [2, 2, 3]


def test_segments_are_drawn_uniformly_from_all_that_are_held():
    config = OffPolicyConfig(
        segment_length=4, batch_size=32, min_replay_size=1, max_replay_size=4 * 50
    )
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=10)
    with serve(freely_sampled(table)) as address:
        # 80 segments come in: the first 30 are evicted.
        write(address, config, np.arange(4 * 80).reshape(-1, 1))
        drawing = superbatches(address, config, LAYOUT, steps_per_call=10)
        numbers = np.concatenate([assert_numbered(next(drawing), SPEC).ravel() for _ in range(60)])
        drawing.close()
    assert numbers.min() >= 4 * 30
    counts = np.bincount(numbers - 4 * 30, minlength=200)
    # All of a segment is used, so what is drawn independently is the segments.
    np.testing.assert_array_equal(counts.reshape(50, 4), counts[::4, None].repeat(4, axis=1))
    # Reverb takes no seed: one chance in a million to fail for nothing.
    assert stats.chisquare(counts[::4]).pvalue > 1e-6


def test_a_stop_ends_the_wait_and_leaves_no_thread():
    config = OffPolicyConfig(segment_length=4, batch_size=8, min_replay_size=100)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=2)
    stop = threading.Event()
    with serve(table) as address:
        drawing = superbatches(address, config, LAYOUT, steps_per_call=2, should_stop=stop.is_set)
        threading.Timer(0.3, stop.set).start()
        started = time.monotonic()
        assert list(drawing) == []
        assert time.monotonic() - started < 1.5
        assert drawing_threads() == []


def test_a_wait_longer_than_the_samplers_timeout_loses_nothing():
    config = OffPolicyConfig(segment_length=2, batch_size=4, min_replay_size=1)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=3)
    with serve(as_queue(table)) as address:
        drawing = superbatches(address, config, LAYOUT, steps_per_call=3)
        got = []
        thread = threading.Thread(target=lambda: got.append(next(drawing)))
        thread.start()
        for i in range(3):  # 12 transitions in three parts, with waits between.
            write(address, config, np.arange(4 * i, 4 * i + 4).reshape(-1, 1))
            time.sleep(2.4 * sampling._TIMEOUT_MS / 1000)
        thread.join(10)
        drawing.close()
    assert sorted(assert_numbered(got[0], SPEC).ravel()) == list(range(12))


def test_it_is_at_most_one_superbatch_and_what_is_in_flight_ahead():
    config = OffPolicyConfig(segment_length=2, batch_size=8, min_replay_size=1)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=10)
    with serve(freely_sampled(table)) as address:
        write(address, config, np.arange(20).reshape(-1, 1))
        drawing = superbatches(address, config, LAYOUT, steps_per_call=10)
        next(drawing)
        time.sleep(0.5)
        info = reverb.Client(address).server_info(5)[TABLE].rate_limiter_info
        drawing.close()
    # 40 segments a superbatch: the one taken, the one ahead, 10 in flight.
    assert 80 <= info.sample_stats.completed <= 90


def test_no_server_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(server, "_TIMEOUT_S", 1)
    with pytest.raises(ConnectionError, match="No Reverb server answers at localhost:1 "):
        superbatches("localhost:1", OffPolicyConfig(), LAYOUT, steps_per_call=1)


def test_a_server_for_something_else_is_one_clear_error():
    config = OffPolicyConfig(segment_length=4)
    table = make_table(config, LAYOUT, samples_per_insert=1.0, steps_per_call=2)
    with serve(table) as address, pytest.raises(ValueError, match="another environment"):
        superbatches(address, config, RowLayout(make_spec(9)), steps_per_call=2)
    with serve(table.replace(name="other")) as address, pytest.raises(ValueError, match="no table"):
        superbatches(address, config, LAYOUT, steps_per_call=2)


class TestImages:
    LAYOUT = RowLayout(image_spec())

    # Of episodes of one step, segments have more large planes than one block has room for.
    @pytest.mark.parametrize(("episode_length", "large"), [(1, 1), (3, 1), (1000, 1), (1, 1024)])
    def test_each_transition_is_in_a_superbatch_once_and_whole(
        self, episode_length, large, monkeypatch
    ):
        monkeypatch.setattr(planes, "_LARGE", large)
        config = OffPolicyConfig(segment_length=4, batch_size=6, min_replay_size=1)
        table = make_table(config, self.LAYOUT, samples_per_insert=1.0, steps_per_call=2)
        # Three segments a superbatch, each of them given out once.
        steps = stream(12, 2, episode_length)
        with serve(as_queue(table)) as address:
            writer = SegmentWriter(address, 2, config, self.LAYOUT)
            for step in steps:
                writer.append(step)
            assert writer.close()
            drawing = superbatches(address, config, self.LAYOUT, steps_per_call=2)
            first, second = (next(drawing) for _ in range(2))
            drawing.close()
        assert [field.shape for field in tf.nest.flatten(first)] == [
            (2, 6, 5, 4, 3),
            (2, 6),
            (2, 6),
            (2, 6),
            (2, 6, 5, 4, 3),
            (2, 6),
        ]
        blank = UniformReplay(config, self.LAYOUT, steps_per_call=2).blank()
        for ours, theirs in zip(*map(tf.nest.flatten, (first, blank)), strict=True):
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        drawn = [assert_of_stream(superbatch, steps).ravel() for superbatch in (first, second)]
        assert sorted(np.concatenate(drawn)) == sorted([*range(12), *range(1000, 1012)])

    def test_padding_is_never_drawn(self):
        config = OffPolicyConfig(segment_length=8, batch_size=10, min_replay_size=1)
        table = make_table(config, self.LAYOUT, samples_per_insert=1.0, steps_per_call=2)
        steps = stream(11, 1, 1000)
        with serve(freely_sampled(table)) as address:
            writer = SegmentWriter(address, 1, config, self.LAYOUT)
            for number, step in enumerate(steps):
                writer.append(step, np.array([number != 2]))
            assert writer.close()
            drawing = superbatches(address, config, self.LAYOUT, steps_per_call=2)
            drawn = [assert_of_stream(next(drawing), steps) for _ in range(10)]
            drawing.close()
        assert set(np.unique(drawn)) == set(range(11)) - {2}

    def test_a_server_of_other_images_is_one_clear_error(self):
        config = OffPolicyConfig(segment_length=4)
        table = make_table(config, self.LAYOUT, samples_per_insert=1.0, steps_per_call=2)
        with serve(table) as address, pytest.raises(ValueError, match="another environment"):
            superbatches(address, config, RowLayout(image_spec(2)), steps_per_call=2)
