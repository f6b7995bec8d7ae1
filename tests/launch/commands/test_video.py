from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from quinoa.launch.trained import video
from tests.launch.factories import EPISODE_STEPS, Drawn
from tests.launch.helpers import MATCH, ROOT
from tests.launch.machine.test_mujoco_renderer import WITHOUT
from tests.launch.runs import make_run

DRAWN = "tests.launch.factories:drawn"
AGENT = "iq"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--episodes=17"], "--episodes=17: it must be 16 at most."),
        (["--size=10"], "--size=10: it must be a whole number, at least 64"),
        (["--size=5000"], "--size=5000: it must be 1080 pixels at most."),
        (["--out=walk.avi"], "--out=walk.avi: a video ends in .mp4 or .gif"),
        (["--out=."], "--out=. is a folder: give the name of a file in it."),
        (["--out=.."], "--out=.. is a folder: give the name of a file in it."),
        (["--out=/tmp/"], "--out=/tmp is a folder: give the name of a file in it."),
        (["--checkpoint=7"], "There is no checkpoint of 7 learner steps"),
        (["--length=0"], "--length=0: it must be a whole number"),
    ],
)
def test_input_that_cannot_work_is_one_line(quinoa, run_of, flags, message):
    status, out, err = quinoa("video", str(run_of(AGENT, DRAWN).root), *flags)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_films_a_run_into_its_folder(quinoa, run_of):
    run = run_of(AGENT, DRAWN)
    status, out, err = quinoa("video", str(run.root), "--episodes=2", "--size=64")
    paths = [run.videos / f"{0:012d}{ending}" for ending in (".mp4", ".gif")]
    assert (status, out, err) == (0, f"{paths[0]}\n{paths[1]}\n", "")
    about = next(imageio_ffmpeg.read_frames(str(paths[0])))
    # A step of this environment lasts a tenth of a second.
    assert about["fps"] == 10
    assert about["duration"] == pytest.approx((EPISODE_STEPS + 1) / 10)
    assert paths[1].read_bytes().startswith(b"GIF89a")


def test_gymnasiums_classic_tasks_are_filmed_without_a_screen(
    quinoa, run_of, tmp_path, monkeypatch
):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    out = tmp_path / "pendulum.gif"
    arguments = ["--episodes=1", "--size=64", "--length=3", f"--out={out}"]
    status, printed, err = quinoa("video", str(run_of(AGENT, "gym:Pendulum-v1").root), *arguments)
    assert (status, printed, err) == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(b"GIF89a")


def test_an_ending_is_a_format_and_the_length_ends_it(quinoa, run_of, tmp_path):
    out = tmp_path / "new" / "short.gif"
    arguments = ["--episodes=1", "--size=64", "--length=4", "--sample", f"--out={out}"]
    status, printed, err = quinoa("video", str(run_of(AGENT, DRAWN).root), *arguments)
    assert (status, printed, err) == (0, f"{out}\n", "")
    assert [path.name for path in out.parent.iterdir()] == ["short.gif"]
    reader = imageio_ffmpeg.read_frames(str(out))
    next(reader)
    assert len(list(reader)) == 5


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (MATCH, "has no pictures: give it a method render()"),
        ("tests.launch.factories:badly_drawn", "render() returned float64"),
    ],
)
def test_an_environment_that_cannot_be_drawn_is_one_line(
    quinoa, run_of, tmp_path, environment, message
):
    run = run_of(AGENT, environment)
    status, out, err = quinoa("video", str(run.root), f"--out={tmp_path / 'video'}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(quinoa, run_of, tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "video.mp4"
    status, _, err = quinoa("video", str(run_of(AGENT, DRAWN).root), f"--out={out}")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{out} cannot be written" in err


def film(run, out, **variables) -> subprocess.CompletedProcess[str]:
    """In a process of its own, for MuJoCo settles at its import what draws."""
    flags = ["--episodes=1", "--length=2", "--size=64", f"--out={out}"]
    return subprocess.run(
        [sys.executable, "-m", "quinoa.launch.cli", "video", str(run.root), *flags],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )


def shows_a_scene(video: Path) -> bool:
    """Whether what is below title and caption of a video is neither white nor of one colour."""
    reader = imageio_ffmpeg.read_frames(str(video))
    width, height = next(reader)["size"]
    frame = np.frombuffer(next(reader), np.uint8).reshape(height, width, 3)
    return bool(frame[60:100, width // 2 - 20 : width // 2 + 20].std() > 3)


def test_a_machine_without_a_renderer_is_one_line(tmp_path):
    run = make_run(tmp_path / "run", "control:cartpole:balance", AGENT)
    done = film(run, tmp_path / "video.mp4", **WITHOUT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("quinoa: MuJoCo cannot draw on this machine")
    assert "apt install libegl1" in done.stderr
    assert not (tmp_path / "video.mp4").exists()


# Of dm_control's tasks tests/launch/test_stored_runs.py films one.
@pytest.mark.slow
def test_films_gymnasiums_mujoco_tasks_where_something_draws_them(tmp_path):
    run = make_run(tmp_path / "run", "gym:InvertedPendulum-v5", AGENT)
    out = tmp_path / "video.mp4"
    done = film(run, out)
    if "cannot draw on this machine" in done.stderr:
        pytest.skip("neither EGL nor OSMesa is here")
    assert (done.returncode, done.stdout) == (0, f"{out}\n")
    assert not [line for line in done.stderr.splitlines() if not line.endswith(" steps")]
    assert shows_a_scene(out)


def test_frames_show_the_simulated_time():
    class Timed(Drawn):
        def __init__(self, seconds: float | None):
            super().__init__(0)
            self._seconds = seconds

        def control_timestep(self):
            return self._seconds

    assert video.timing(Timed(0.1)) == (1, pytest.approx(10.0))
    assert video.timing(Timed(0.01)) == (3, pytest.approx(100 / 3))
    assert video.timing(Timed(None)) == (1, video.MAX_RATE)
    # An hour in a step is not an hour of a still picture.
    assert video.timing(Timed(3600.0)) == (1, video.MIN_RATE)
    assert video.timing(Timed(1.5)) == (1, video.MIN_RATE)
    every, rate = video.timing(Timed(5e-324))
    assert every > 10**6 and video.MIN_RATE <= rate <= 60


def test_pictures_that_are_very_wide_are_shown_smaller(quinoa, run_of, tmp_path):
    out = tmp_path / "wide.mp4"
    run = run_of(AGENT, "tests.launch.factories:wide")
    arguments = [str(run.root), "--episodes=2", "--length=2", "--size=64", f"--out={out}"]
    status, _, err = quinoa("video", *arguments)
    assert status == 0
    assert err == (
        "quinoa: note: the pictures are so wide that they are shown 14 pixels high, not 64.\n"
    )
    width, height = next(imageio_ffmpeg.read_frames(str(out)))["size"]
    assert 8000 < width <= 8192 and height < 400


def test_an_environment_that_fails_to_draw_itself_is_one_line(quinoa, run_of, tmp_path):
    run = run_of(AGENT, "tests.launch.factories:fails_to_draw")
    status, out, err = quinoa("video", str(run.root), f"--out={tmp_path / 'video.mp4'}")
    assert (status, out) == (2, "")
    assert err == "quinoa: FailsToDraw.render() failed: ZeroDivisionError: no light\n"
    assert not list(tmp_path.iterdir())
