"""A training run of ours, as a user starts it, watched from outside."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil

from benchmarks.measure import BenchmarkError
from quinoa.launch.run import status
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status

# More steps than any benchmark does.
_STEPS = 10**9
_POLL_S = 0.05
_POLL_ACTORS_S = 1.0
_START_S = 300.0
_STOP_S = 60.0


class RunError(BenchmarkError):
    """A run ended, or did not begin."""


class Speed(NamedTuple):
    """What a run did in a window of time.

    Attributes:
        actor_steps_per_second: over all actors.
        learner_steps_per_second: gradient steps.
        parameter_age: the mean age of the parameters that actors acted with, in gradient steps.
        learner_load: the learner's processor time, in seconds of one core a second.
        replay_load: likewise, the replay server's.
    """

    actor_steps_per_second: float
    learner_steps_per_second: float
    parameter_age: float
    learner_load: float
    replay_load: float


class ActorRows:
    """The rows of metrics that a run's actors have had written, from any moment on."""

    def __init__(self, folder: RunFolder):
        """Reads nothing yet."""
        self._path = folder.metrics("actor")

    @property
    def position(self) -> int:
        """Where the next row will be; for `since`."""
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        # Not in a row that is being written.
        return text.rfind(b"\n") + 1

    def since(self, position: int) -> pd.DataFrame:
        """The rows that were written since, those alone that are whole."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        head, _, first = text.partition("\n")
        rows = text[position:] if position else first
        whole = rows[: rows.rfind("\n") + 1]
        return pd.read_csv(io.StringIO(f"{head or 'actor'}\n{whole}"))


class Training:
    """A run that trains until it is closed."""

    def __init__(self, root: Path, flags: Sequence[str]):
        """Starts `quinoa train` with these flags."""
        self.folder = RunFolder(root / "run")
        self._started = time.monotonic()
        self._log = (root / "output").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                # Has the run stop when the benchmark ends, even if that is killed.
                *(sys.executable, "-m", "quinoa.launch.machine.termination", str(os.getpid())),
                *("quinoa.launch.cli", "train", f"--folder={self.folder.root}"),
                *(f"--steps={_STEPS}", "--evaluation_episodes=1", *flags),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait_for_learner(self) -> float:
        """Waits for the first gradient steps; returns the seconds since the start."""
        deadline = self._started + _START_S
        while not self._has_learned():
            self._check()
            if time.monotonic() > deadline:
                raise RunError(f"No gradient step within {_START_S:.0f} s: {self._output()}")
            time.sleep(_POLL_S)
        return time.monotonic() - self._started

    def wait_for_actors(self, num_actors: int) -> None:
        """Waits until each of so many actors has reported."""
        deadline = self._started + _START_S
        while self._num_actors() < num_actors:
            self._check()
            if time.monotonic() > deadline:
                raise RunError(f"No {num_actors} actors within {_START_S:.0f} s: {self._output()}")
            time.sleep(_POLL_ACTORS_S)

    def speed(self, seconds: float, *, after_s: float = 0.0) -> Speed:
        """Watches for a while, after a while."""
        time.sleep(after_s)
        processes = [self._node(group) for group in (Role.LEARNER, Role.REPLAY)]
        start, used = time.time(), [_processor_seconds(process) for process in processes]
        before = self._status()
        time.sleep(seconds)
        after = self._status()
        self._check()
        elapsed = after.wall_time - before.wall_time
        loads = [
            (_processor_seconds(process) - seconds_before) / (time.time() - start)
            for process, seconds_before in zip(processes, used, strict=True)
        ]
        rows = pd.read_csv(self.folder.metrics("actor"))
        return Speed(
            (after.counts.actor_steps - before.counts.actor_steps) / elapsed,
            (after.counts.learner_steps - before.counts.learner_steps) / elapsed,
            float(rows[rows.wall_time > start].parameter_age.mean()),
            *loads,
        )

    def actor_memory(self) -> float:
        """The resident memory of one actor's process, in MB."""
        return float(self._node(Role.ACTOR).memory_info().rss / 2**20)

    def actor_pid(self) -> int:
        """The number of the first actor's process."""
        return int(self._node(Role.ACTOR).pid)

    def processor_seconds(self) -> float:
        """What all processes of the run have computed so far, those that ended included."""
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += sum(times[:4])
        return total

    def memory(self) -> float:
        """The proportional memory (Pss) of all processes of the run, in MB.

        What processes share is counted once over all of them.
        """
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 1e6

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet; raises `RunError` if it has ended with an error."""
        status = self._process.poll()
        if status:
            self._check()
        return status is None

    def close(self) -> None:
        """Stops the run, and waits for its end."""
        if self._process.poll() is None:
            end(self._process)
        self._log.close()

    def _processes(self) -> list[psutil.Process]:
        main = psutil.Process(self._process.pid)
        return [main, *main.children(recursive=True)]

    def _node(self, group: str) -> psutil.Process:
        """The process of a group's first node."""
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                if any(f"{group}-0.error" in argument for argument in process.cmdline()):
                    return process
        raise RunError(f"The run has no {group}.")

    def _status(self) -> Status:
        now = status.read(self.folder.status)
        assert now is not None  # The learner has reported.
        return now

    def _has_learned(self) -> bool:
        now = status.read(self.folder.status)
        return now is not None and now.counts.learner_steps > 0

    def _num_actors(self) -> int:
        try:
            return int(pd.read_csv(self.folder.metrics("actor")).actor.nunique())
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return 0

    def _check(self) -> None:
        if self._process.poll() is not None:
            raise RunError(f"The run ended: {self._output()}")

    def _output(self) -> str:
        self._log.seek(0)
        return self._log.read()[-2000:]


def end(process: subprocess.Popen[Any]) -> None:
    """Ends a process that runs: in order, or by force where that takes longer than a minute."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        # Its processes die with it.
        process.kill()
        process.wait()


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def training(*flags: str) -> Iterator[Training]:
    """A run with these flags, in a folder that goes when it is over."""
    with tempfile.TemporaryDirectory(prefix="quinoa-bench-") as root:
        run = Training(Path(root), flags)
        try:
            yield run
        finally:
            run.close()
