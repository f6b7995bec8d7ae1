from __future__ import annotations

import numpy as np
import pytest

from quinoa.launch.trained.playback import PlaybackStep
from quinoa.launch.trained.video_frames import VideoFrames

GREEN = (0, 200, 0)


def moment(step: int, count: int, *, running=None, value: float | None = 1.0) -> PlaybackStep:
    running = np.ones(count, np.bool_) if running is None else np.array(running)
    values = None if value is None else np.full(count, value, np.float32)
    return PlaybackStep(
        step,
        running,
        np.full(count, step),
        np.full(count, 1.5),
        np.linspace(0, 1, count, dtype=np.float32),
        values,
        False,
    )


def picture(height: int, width: int):
    return np.broadcast_to(np.array(GREEN, np.uint8), (height, width, 3))


def is_green(frame, colour=GREEN) -> int:
    return int((frame == np.array(colour, np.uint8)).all(axis=-1).sum())


@pytest.mark.parametrize(("count", "height", "width"), [(1, 64, 85), (2, 65, 65), (5, 120, 160)])
def test_every_picture_is_there_whole_and_sizes_are_even(count, height, width):
    video = VideoFrames("a title", [(height, width)] * count, length=50, has_value=True)
    first = moment(0, count)
    video.add_values(first)
    frame = video.compose(first, [picture(height, width)] * count)
    assert frame.shape[:2] == video.size
    assert not any(size % 2 for size in video.size)
    assert frame.dtype == np.uint8
    assert is_green(frame) == count * height * width


def test_an_episode_that_is_over_keeps_its_last_picture_darkened():
    video = VideoFrames("a title", [(64, 64)] * 2, length=50, has_value=True)
    for step, running in ((0, [True, True]), (1, [False, True])):
        now = moment(step, 2, running=running)
        video.add_values(now)
        assert [video.needs_picture(i) for i in range(2)] == [True, True]
        frame = video.compose(now, [picture(64, 64)] * 2)
    assert [video.needs_picture(i) for i in range(2)] == [False, True]
    later = moment(2, 2, running=[False, True])
    video.add_values(later)
    frame = video.compose(later, [None, picture(64, 64)])
    assert is_green(frame) == is_green(frame, (0, 100, 0)) == 64 * 64


def test_charts_grow_with_the_episodes_and_a_flight_of_the_value_stays_in_them():
    video = VideoFrames("a title", [(64, 64)], length=500, has_value=True)
    drawn = []
    for step in range(150):
        now = moment(step, 1, value=100.0 if step > 120 else 1.0)
        video.add_values(now)
        if step in (10, 90, 149):
            drawn.append(video.compose(now, [picture(64, 64)]))
    axes = video._charts._axes[0]
    assert axes.get_xlim()[1] == 200
    low, high = axes.get_ylim()
    assert low < 1.0 and high > 100.0
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[1], drawn[2])
    # The lines, in the episode's blue but for their blurred edges, are longer.
    bluer = [frame[-300:, :, 2].astype(int) - frame[-300:, :, 0] > 60 for frame in drawn]
    assert bluer[0].sum() + 50 < bluer[1].sum()


def test_an_agent_without_a_value_has_one_chart():
    with_value = VideoFrames("a title", [(64, 64)], length=50, has_value=True)
    without = VideoFrames("a title", [(64, 64)], length=50, has_value=False)
    now = moment(0, 1, value=None)
    without.add_values(now)
    assert without.compose(now, [picture(64, 64)]).shape[:2] == without.size
    assert without.size[0] < with_value.size[0]


def test_a_chart_has_nothing_of_an_episode_that_is_over():
    video = VideoFrames("a title", [(64, 64)] * 2, length=50, has_value=False)
    for step, running in enumerate([[True, True], [False, True], [False, True]]):
        video.add_values(moment(step, 2, running=running, value=None))
    assert [len(steps) for steps in video._charts._steps] == [1, 3]
