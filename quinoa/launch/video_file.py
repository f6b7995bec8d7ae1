"""Videos as files: MP4, and GIF made of it, by the ffmpeg that imageio-ffmpeg carries."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]


# Of 10; x264 at 6 shows no blocks in flat colours and sharp text.
_QUALITY = 6.0
# A GIF holds its pictures hardly compressed: fewer and smaller ones.
_GIF_RATE = 12.5
_GIF_WIDTH = 640


def write(frames: Iterable[Frame], rate: float, paths: Iterable[Path]) -> None:
    """Writes a video, one frame at a time, to files that are there whole or not at all.

    Args:
        frames: uint8 `[H, W, 3]` each, at least one, all of one even height and width.
        rate: frames a second.
        paths: where to, each ending in .mp4 or .gif, in a folder that exists.

    Raises:
        OSError: a file cannot be written.
    """
    paths = list(paths)
    with contextlib.ExitStack() as holding:
        folder = Path(
            holding.enter_context(tempfile.TemporaryDirectory(prefix=".", dir=paths[0].parent))
        )
        movie = folder / "video.mp4"
        _write_mp4(frames, rate, movie)
        for path in paths:
            made = movie
            if path.suffix.lower() == ".gif":
                made = folder / "video.gif"
                _make_gif(movie, made, min(rate, _GIF_RATE))
            # Of the same folder or not: the last step is a renaming.
            beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                shutil.copyfile(made, beside)
                os.replace(beside, path)
            finally:
                beside.unlink(missing_ok=True)


def _write_mp4(frames: Iterable[Frame], rate: float, path: Path) -> None:
    import imageio_ffmpeg

    writer = None
    try:
        for frame in frames:
            if writer is None:
                height, width = frame.shape[:2]
                writer = imageio_ffmpeg.write_frames(
                    str(path),
                    (width, height),
                    fps=rate,
                    codec="libx264",
                    quality=_QUALITY,
                    macro_block_size=2,
                    ffmpeg_log_level="error",
                    output_params=["-movflags", "+faststart"],
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(frame))
    finally:
        if writer is not None:
            writer.close()
    if not path.is_file():
        raise ValueError("A video needs at least one frame.")


def _make_gif(movie: Path, path: Path, rate: float) -> None:
    """In two passes, so that neither the frames nor their colours have to be held at once."""
    palette = path.with_suffix(".png")
    scaled = f"fps={rate},scale='min({_GIF_WIDTH},iw)':-2:flags=lanczos"
    _ffmpeg("-i", str(movie), "-vf", f"{scaled},palettegen", str(palette))
    _ffmpeg(
        *("-i", str(movie), "-i", str(palette)),
        *("-lavfi", f"{scaled}[x];[x][1:v]paletteuse=dither=bayer:bayer_scale=4", str(path)),
    )


def _ffmpeg(*arguments: str) -> None:
    import imageio_ffmpeg

    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise OSError(f"ffmpeg: {lines[-1] if lines else f'exit status {done.returncode}'}")
