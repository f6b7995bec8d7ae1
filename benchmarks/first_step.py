"""An environment that notes how long after the start of its process its first step came."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import dm_env
from dm_control import suite

_DOMAIN, _TASK = "cheetah", "run"


def make(seed: int, *, folder: str) -> dm_env.Environment:
    """Makes cheetah-run, as `quinoa.environments.make` wants it.

    Args:
        seed: of its random numbers.
        folder: gets a file for each process, see `noted`.
    """
    environment = suite.load(_DOMAIN, _TASK, task_kwargs={"random": seed})
    step = environment.step

    def first_step(action: Any) -> dm_env.TimeStep:
        environment.step = step
        timestep = step(action)
        path = _path(Path(folder), os.getpid())
        if not path.exists():
            path.write_text(f"{seconds_since_start()!r}\n")
        return timestep

    environment.step = first_step
    return environment


def noted(folder: Path, pid: int) -> float | None:
    """The seconds from the start of a process to the end of its first environment step.

    Returns:
        None if it has made none.
    """
    try:
        text = _path(folder, pid).read_text()
    except FileNotFoundError:
        return None
    return float(text) if text.endswith("\n") else None


def seconds_since_start() -> float:
    """The seconds since this process was started or forked, to a hundredth."""
    # After the name in parentheses, which may have spaces: the 22nd field of all.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def _path(folder: Path, pid: int) -> Path:
    return folder / f"{pid}.seconds"
