import numpy as np
import pytest

from quinoa.agents.replay import segments
from quinoa.agents.rows import RowLayout, valid
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered

SPEC = make_spec(observation_size=4, action_size=3)
LAYOUT = RowLayout(SPEC)


def test_buffer_cuts_the_streams_of_all_environments_in_lockstep():
    buffer = segments.SegmentBuffer(2, 3, LAYOUT)
    numbers = np.arange(14).reshape(7, 2)
    finished = [buffer.append(numbered(row, SPEC)) for row in numbers]
    assert [len(of) for of in finished] == [0, 0, 2, 0, 0, 2, 0]
    got = [assert_numbered(LAYOUT.unpack(segment), SPEC) for of in finished for segment in of]
    # What was given out at first has not been written again.
    np.testing.assert_array_equal(
        got, [numbers[:3, 0], numbers[:3, 1], numbers[3:6, 0], numbers[3:6, 1]]
    )


def test_flush_pads_what_is_under_way_and_starts_anew():
    buffer = segments.SegmentBuffer(2, 3, LAYOUT)
    assert buffer.flush() == []
    buffer.append(numbered(np.array([1, 2]), SPEC))
    flushed = buffer.flush()
    for segment, number in zip(flushed, [1, 2], strict=True):
        np.testing.assert_array_equal(valid(segment), [1, 0, 0])
        np.testing.assert_array_equal(segment[1:], np.zeros_like(segment[1:]))
        assert assert_numbered(LAYOUT.unpack(segment[:1]), SPEC) == [number]
    assert buffer.flush() == []
    assert buffer.append(numbered(np.array([3, 4]), SPEC)) == []


def test_another_shape_is_refused_rather_than_broadcast():
    buffer = segments.SegmentBuffer(2, 3, LAYOUT)
    with pytest.raises(ValueError, match=r"'observation': \(1, 4\).*not .*\(2, 4\)"):
        buffer.append(numbered(np.array([1]), SPEC))
    good = numbered(np.array([1, 2]), SPEC)
    with pytest.raises(ValueError, match="'reward'"):
        buffer.append(good._replace(reward=np.float32(1.0)))
    with pytest.raises(ValueError, match="'action'"):
        buffer.append(good._replace(action=good.action[:, :1]))
    assert buffer.flush() == []


def test_rows_that_are_no_transitions_are_padding():
    buffer = segments.SegmentBuffer(2, 3, LAYOUT)
    numbers = np.arange(12).reshape(6, 2)
    masks = [None, [False, True], None, [True, False], [False, False], [True, False]]
    finished = [
        buffer.append(numbered(row, SPEC), None if mask is None else np.array(mask))
        for row, mask in zip(numbers, masks, strict=True)
    ]
    # The second environment has nothing in the second segment, which is not there at all.
    assert [len(of) for of in finished] == [0, 0, 2, 0, 0, 1]
    found = [of for segment in finished for of in segment]
    for segment in found:
        gaps = ~valid(segment)
        np.testing.assert_array_equal(segment[gaps], np.zeros_like(segment[gaps]))
    got = [assert_numbered(LAYOUT.unpack(of[valid(of)]), SPEC).tolist() for of in found]
    assert got == [[0, 4], [1, 3, 5], [6, 10]]
    # Nothing of it is left in the segments that follow.
    for row in numbers[:3]:
        after = buffer.append(numbered(row, SPEC))
    assert all(valid(segment).all() for segment in after)
    buffer.append(numbered(numbers[0], SPEC), np.array([False, False]))
    assert buffer.flush() == []
