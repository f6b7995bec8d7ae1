import numpy as np
import pytest

from quinoa.agents.rollouts.buffer import RolloutBuffer
from quinoa.agents.rows import RowLayout, valid
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)


def gathered(numbers, masks):
    """The segments that a buffer of 3 environments and length 4 gives, as numbers."""
    buffer = RolloutBuffer(3, 4, LAYOUT)
    return [
        [LAYOUT.unpack(segment) for segment in found]
        for row, mask in zip(numbers, masks, strict=True)
        if (found := buffer.append(numbered(row, SPEC), mask)) is not None
    ]


def test_streams_are_cut_in_time_order_and_nothing_is_lost():
    numbers = np.arange(36).reshape(12, 3)
    found = gathered(numbers, [None] * 12)
    got = [[assert_numbered(of, SPEC).tolist() for of in batch] for batch in found]
    # What was given out at first has not been written again.
    assert got == [numbers[start : start + 4].T.tolist() for start in (0, 4, 8)]


def test_a_row_that_is_no_transition_is_made_up_for_while_the_others_wait():
    numbers = np.arange(36).reshape(12, 3)
    masks: list = [None] * 12
    masks[2] = np.array([True, False, True])
    found = gathered(numbers, masks)
    first, second = ([of.observation[:, 0].astype(int).tolist() for of in batch] for batch in found)
    assert first == [[0, 3, 6, 9], [1, 4, 10, 13], [2, 5, 8, 11]]
    # The others' transitions of the fifth step are of no segment.
    assert second == numbers[5:9].T.tolist()
    # The episode that broke off ends with the transition before, which keeps its discount.
    assert found[0][1].last.tolist() == [False, True, True, False]
    assert found[0][1].discount[1] == 1.0
    assert found[0][0].last.tolist() == numbered(np.array([0, 3, 6, 9]), SPEC).last.tolist()


def test_an_episode_that_breaks_off_between_segments_changes_neither():
    masks: list = [None] * 9
    masks[4] = np.array([False, True, True])
    found = gathered(np.arange(27).reshape(9, 3), masks)
    assert found[0][0].last.tolist() == numbered(np.array([0, 3, 6, 9]), SPEC).last.tolist()
    assert found[1][0].observation[:, 0].tolist() == [15, 18, 21, 24]


def test_segments_have_no_padding_and_other_shapes_are_refused():
    buffer = RolloutBuffer(2, 1, LAYOUT)
    segments = buffer.append(numbered(np.array([1, 2]), SPEC))
    assert segments is not None and valid(segments).all()
    with pytest.raises(ValueError, match="'observation'"):
        buffer.append(numbered(np.array([1]), SPEC))
