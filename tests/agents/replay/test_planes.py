import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.protocol import ConfigError
from quinoa.agents.replay import planes as planes_module
from quinoa.agents.replay.n_step import Step, combine
from quinoa.agents.replay.planes import SharedPlanes, of
from quinoa.agents.replay.segments import SegmentBuffer
from quinoa.agents.rows import RowLayout, valid
from tests.agents.fixtures import make_spec
from tests.agents.replay.images import STACK, assert_of_stream, image_spec, stream

LENGTH = 16
LAYOUT = RowLayout(image_spec())


@pytest.fixture(autouse=True, params=[1, 1024], ids=["large", "small"])
def _planes_count_as(request, monkeypatch):
    """The ways of large planes and of small ones give the same."""
    monkeypatch.setattr(planes_module, "_LARGE", request.param)


def segments_of(steps, length=LENGTH):
    buffer = SegmentBuffer(len(steps[0].reward), length, LAYOUT)
    found = [segment for step in steps for segment in buffer.append(step)]
    return found + buffer.flush()


def joined(shared, stored):
    """The transitions of a stored segment by NumPy, and by TensorFlow, which must be the same."""
    rows = stored.rows[valid(stored.rows)]
    planes = stored.planes[shared.numbers(rows)]
    ours, theirs = shared.join(rows, planes), shared.join(tf.constant(rows), tf.constant(planes))
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_array_equal(one, other)
    return ours


@pytest.mark.parametrize("episode_length", [1, 2, 7, 1000])
def test_what_is_put_together_is_what_was_taken_apart(episode_length):
    steps, shared = stream(40, 2, episode_length), SharedPlanes(LAYOUT, LENGTH)
    rewards = [
        assert_of_stream(joined(shared, shared.split(segment)), steps)
        for segment in segments_of(steps)
    ]
    expected = [number + 1000 * i for number in range(40) for i in range(2)]
    assert sorted(np.concatenate(rewards)) == sorted(expected)


def test_within_an_episode_a_transition_costs_one_frame_and_the_history_its_share():
    shared = SharedPlanes(LAYOUT, LENGTH)
    first, second, padded = segments_of(stream(40, 1, 1000))
    # The frames before the first one of the episode are that one.
    assert len(shared.split(first).planes) == LENGTH + 1
    assert len(shared.split(second).planes) == LENGTH + STACK
    assert len(shared.split(padded).planes) == 8 + STACK
    # What an episode's end adds is the first frame of the next one.
    (segment,) = segments_of(stream(16, 1, 9))
    assert len(shared.split(segment).planes) == LENGTH + 2


def test_a_transition_of_84_84_4_costs_at_most_1_3_frames():
    spec = image_spec()._replace(
        observations=image_spec().observations.replace(shape=(84, 84, 4), minimum=0, maximum=255)
    )
    shared = SharedPlanes(RowLayout(spec), LENGTH)
    bytes_of_segment = LENGTH * shared.width + np.prod(shared.block_shape)
    assert bytes_of_segment / LENGTH < 1.3 * 84 * 84


def test_n_step_transitions_share_their_frames_too():
    steps, shared = stream(LENGTH + 4, 1, 1000), SharedPlanes(LAYOUT, LENGTH)
    window = [Step(step, np.ones(1, bool)) for step in steps]
    combined = [combine(window[number : number + 5], 0.9) for number in range(LENGTH)]
    (segment,) = segments_of(combined)
    stored = shared.split(segment)
    assert len(stored.planes) == LENGTH + 5
    found = joined(shared, stored)
    np.testing.assert_array_equal(found.next_observation[3], steps[7].next_observation[0])


def test_padding_and_gaps_have_no_planes():
    steps, shared = stream(3, 1, 1000), SharedPlanes(LAYOUT, LENGTH)
    buffer = SegmentBuffer(1, LENGTH, LAYOUT)
    for step, is_valid in zip(steps, (True, False, True), strict=True):
        buffer.append(step, np.array([is_valid]))
    (segment,) = buffer.flush()
    stored = shared.split(segment)
    np.testing.assert_array_equal(valid(stored.rows), valid(segment))
    assert assert_of_stream(joined(shared, stored), steps).tolist() == [0, 2]
    assert len(stored.planes) == len({plane.tobytes() for plane in stored.planes})


def test_blocks_hold_all_planes_and_as_few_zeros_as_can_be():
    steps, shared = stream(LENGTH, 1, 1), SharedPlanes(LAYOUT, LENGTH)
    (segment,) = segments_of(steps)
    planes = shared.split(segment).planes
    assert len(planes) == 2 * LENGTH
    blocks = shared.blocks(planes)
    number = math.ceil(len(planes) / shared.block_shape[0])
    assert blocks.shape == (number, *shared.block_shape) and number <= shared.max_blocks
    joined_blocks = blocks.reshape(-1, *blocks.shape[2:])
    np.testing.assert_array_equal(joined_blocks[: len(planes)], planes)
    assert not joined_blocks[len(planes) :].any()


def test_vectors_have_none_and_a_segment_has_at_most_as_many_as_there_are_numbers():
    assert of(RowLayout(make_spec()), LENGTH) is None
    assert isinstance(of(LAYOUT, LENGTH), SharedPlanes)
    with pytest.raises(ConfigError, match=r"segment_length = 20000 .* at most 10922"):
        SharedPlanes(LAYOUT, 20_000)
