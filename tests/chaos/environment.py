"""An environment that misbehaves on command, and otherwise says what every transition must be.

Commands are files in the folder that `COMMANDS` names: whichever of a run's environments takes one
away first carries it out. A file `clock` stays, and moves every process's clock by its contents.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import dm_env
import numpy as np

from tests.launch.factories import CheckedMatch

COMMANDS = "QUINOA_CHAOS_COMMANDS"
STEP_S = "QUINOA_CHAOS_STEP_S"
NAME = "tests.chaos.environment:make"

RAISE, HANG, NAN, SHAPE = KINDS = ("raise", "hang", "nan", "shape")
CLOCK = "clock"

_POLL_S = 0.05
# Longer than any run.
_FOR_EVER_S = 10**6

_real_time = time.time


class Misbehaving(CheckedMatch):
    """`CheckedMatch`, until it is told otherwise."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._commands = Path(os.environ[COMMANDS])
        self._step_s = float(os.environ.get(STEP_S, 0.0))
        self._next_look = 0.0

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """Carries a command out, or does what it should."""
        command = self._command()
        if command == RAISE:
            raise OSError("the simulator was told to fail")
        if command == HANG:
            time.sleep(_FOR_EVER_S)
        time.sleep(self._step_s)
        timestep = super().step(action)
        if command == NAN:
            return timestep._replace(observation=np.full_like(timestep.observation, np.nan))
        if command == SHAPE:
            return timestep._replace(observation=timestep.observation[:-1])
        return timestep

    def _command(self) -> str | None:
        now = time.monotonic()
        if now < self._next_look:
            return None
        self._next_look = now + _POLL_S
        for kind in KINDS:
            with contextlib.suppress(FileNotFoundError):
                (self._commands / kind).unlink()
                return kind
        return None


def make(seed: int) -> Misbehaving:
    """Makes one, as `quinoa.environments.make` wants it."""
    _follow_the_clock()
    return Misbehaving(seed)


def _follow_the_clock() -> None:
    """Has this process's wall clock jump when it is told to, as `settimeofday` would have it."""
    if time.time is not _real_time:
        return
    path = Path(os.environ[COMMANDS]) / CLOCK
    offset = 0.0

    def follow() -> None:
        nonlocal offset
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):
                offset = float(path.read_text())
            time.sleep(_POLL_S)

    time.time = lambda: _real_time() + offset
    threading.Thread(target=follow, name="clock", daemon=True).start()
