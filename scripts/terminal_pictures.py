"""Draws what `quinoa train` and `quinoa status` show of an active run, for the documentation.

python scripts/terminal_pictures.py RUN: writes docs/images/train.svg and docs/images/status.svg.
"""

from __future__ import annotations

import dataclasses
import io
import sys
import time
from pathlib import Path

from rich.console import Console, RenderableType

from quinoa.launch.run import run_folder
from quinoa.launch.watch import overview
from quinoa.launch.watch.overview import RunState
from quinoa.launch.watch.progress import view
from quinoa.launch.watch.status_page import Loads, draw

IMAGES = Path(__file__).parents[1] / "docs/images"
COLUMNS = 80


def main() -> None:
    """Reads the run and writes the pictures."""
    folder = run_folder.existing(sys.argv[1])
    loads = Loads()
    draw(overview.read(folder), loads)
    # What a process uses is measured between two readings.
    time.sleep(2.0)
    run = overview.read(folder)
    if run.status is None or run.state is not RunState.RUNNING:
        sys.exit(f"{folder.root} is not under way.")
    status = dataclasses.replace(run.status, restarts=run.restarts)
    progress = view(run.limits, status, run.elapsed_s, run.returns)
    draw_svg(f"quinoa status {folder.root}", draw(run, loads), IMAGES / "status.svg")
    draw_svg("quinoa train", progress, IMAGES / "train.svg")


def draw_svg(title: str, shown: RenderableType, path: Path) -> None:
    """Writes a picture of a terminal."""
    console = Console(
        width=COLUMNS,
        record=True,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        file=io.StringIO(),
    )
    console.print(shown)
    console.save_svg(str(path), title=title)


if __name__ == "__main__":
    main()
