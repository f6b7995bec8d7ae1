from __future__ import annotations

import imageio_ffmpeg
import numpy as np
import pytest

from quinoa.launch.trained import video_file


def frames(count: int, height: int = 64, width: int = 96):
    """Each brighter than the one before."""
    for index in range(count):
        yield np.full((height, width, 3), 20 * index, np.uint8)


def read(path):
    """What a player would show: width and height, frames a second, and the frames."""
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    shown = [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]
    return about["size"], about["fps"], shown


def test_writes_every_frame_in_its_time(tmp_path):
    path = tmp_path / "video.mp4"
    video_file.write(frames(10), 20.0, [path])
    size, rate, shown = read(path)
    assert (size, rate, len(shown)) == ((96, 64), 20.0, 10)
    np.testing.assert_allclose([f.mean() for f in shown], np.arange(10) * 20, atol=4)
    assert [p.name for p in tmp_path.iterdir()] == ["video.mp4"]


def test_a_gif_lasts_as_long_with_fewer_frames(tmp_path):
    paths = [tmp_path / "video.mp4", tmp_path / "video.gif"]
    video_file.write(frames(12), 25.0, paths)
    size, rate, shown = read(paths[1])
    assert size == (96, 64)
    assert rate == pytest.approx(12.5)
    assert len(shown) == 6
    assert len(read(paths[0])[2]) == 12


def test_nothing_is_left_of_a_video_that_came_to_grief(tmp_path):
    def failing():
        yield from frames(3)
        raise ZeroDivisionError

    path = tmp_path / "video.mp4"
    path.write_text("what was there before")
    with pytest.raises(ZeroDivisionError):
        video_file.write(failing(), 20.0, [path])
    assert path.read_text() == "what was there before"
    assert [p.name for p in tmp_path.iterdir()] == ["video.mp4"]


def test_no_frames_are_no_video(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        video_file.write([], 20.0, [tmp_path / "video.mp4"])


def test_what_x264_cannot_take_is_an_error_of_one_line(tmp_path, capfd):
    with pytest.raises(OSError, match=r"^ffmpeg: invalid width x height \(20000x64\)$"):
        video_file.write(frames(2, width=20_000), 20.0, [tmp_path / "video.mp4"])
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_an_error(small_disk):
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(20))
    with pytest.raises(OSError, match="No space left on device"):
        video_file.write(noise, 20.0, [small_disk / "video.mp4"])
    assert not list(small_disk.iterdir())
