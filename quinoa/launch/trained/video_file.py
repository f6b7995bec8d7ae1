"""Writes videos as MP4, and as GIF made of that, with imageio-ffmpeg's ffmpeg."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quinoa.launch.storage.files import temporary_path

Frame = npt.NDArray[np.uint8]


# x264's constant rate factor, from 0 to 51 (the worst). At 20, flat colours show no blocks and text
# is sharp.
_CRF = 20
# A GIF compresses little, so it gets fewer and smaller frames.
_GIF_RATE = 12.5
_GIF_WIDTH = 640
# The prefix of a line of ffmpeg that names its component: "[libx264 @ 0x557f54c90280] ".
_COMPONENT = re.compile(r"^(\[[^]]* @ [^]]*\] *)+")


def write(frames: Iterable[Frame], rate: float, paths: Iterable[Path]) -> None:
    """Writes a video frame by frame, to files that are replaced atomically.

    Args:
        frames: uint8 `[H, W, 3]` each, at least one, all of the same even height and width.
        rate: frames per second.
        paths: the files, each ending in .mp4 or .gif, in existing folders.

    Raises:
        OSError: a file cannot be written.
    """
    paths = list(paths)
    with contextlib.ExitStack() as exiting:
        folder = Path(
            exiting.enter_context(tempfile.TemporaryDirectory(prefix=".", dir=paths[0].parent))
        )
        movie = folder / "video.mp4"
        _write_mp4(frames, rate, movie)
        for path in paths:
            made = movie
            if path.suffix.lower() == ".gif":
                made = folder / "video.gif"
                _make_gif(movie, made, min(rate, _GIF_RATE))
            # Copied first, as the path may be in another folder, so that the last step is a rename.
            temporary = temporary_path(path)
            try:
                shutil.copyfile(made, temporary)
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)


def _write_mp4(frames: Iterable[Frame], rate: float, path: Path) -> None:
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("A video needs at least one frame.")
    height, width = first.shape[:2]
    process = subprocess.Popen(
        [
            *_command(),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
            *("-r", f"{rate:.9f}", "-i", "-", "-an"),
            *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", str(_CRF)),
            *("-movflags", "+faststart", str(path)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # Otherwise Ctrl-C would reach ffmpeg directly.
        start_new_session=True,
    )
    assert process.stdin is not None and process.stderr is not None
    # Read in a thread: ffmpeg would block when the pipe of its messages is full.
    messages: list[bytes] = []
    reader = threading.Thread(target=lambda pipe: messages.extend(pipe), args=[process.stderr])
    reader.start()
    try:
        # If ffmpeg has ended early, its messages say why.
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            for frame in itertools.chain([first], frames):
                pipe.write(np.ascontiguousarray(frame).data)
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        reader.join()
        process.stderr.close()
    _require_done(process.returncode, b"".join(messages).decode(errors="replace"))


def _make_gif(movie: Path, path: Path, rate: float) -> None:
    """Makes a GIF in two passes, palette first, so that the frames need not be kept in memory."""
    palette = path.with_suffix(".png")
    scaled = f"fps={rate},scale='min({_GIF_WIDTH},iw)':-2:flags=lanczos"
    _ffmpeg("-i", str(movie), "-vf", f"{scaled},palettegen", str(palette))
    _ffmpeg(
        *("-i", str(movie), "-i", str(palette)),
        *("-lavfi", f"{scaled}[x];[x][1:v]paletteuse=dither=bayer:bayer_scale=4", str(path)),
    )


def _ffmpeg(*arguments: str) -> None:
    done = subprocess.run(
        [*_command(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    _require_done(done.returncode, done.stderr)


def _command() -> list[str]:
    import imageio_ffmpeg

    return [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y"]


def _require_done(status: int, messages: str) -> None:
    """Raises `OSError` if ffmpeg failed, with its first message, which is the cause."""
    if status:
        lines = [_COMPONENT.sub("", line).strip() for line in messages.splitlines()]
        reason = next((line for line in lines if line), f"exit status {status}")
        raise OSError(f"ffmpeg: {reason}")
