"""The run that faults are inflicted on, started as users do and observed from outside."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.chaos import environment
from tests.launch import helpers
from tests.launch.helpers import ROOT, nodes_of, train_command

ROLES = ("actor-0", "actor-1", "evaluator-0", "learner-0", "counter-0", "replay-0")

CHECKPOINT_PERIOD_S = 3.0
REPLAY_CHECKPOINT_PERIOD_S = 5.0
# A process may be suspended for `STOP_S`, which must be less than the time of a hang.
STOP_S = 30.0
HANG_TIMEOUT_S = 36.0
PATIENCE_S = 120.0
# How many steps of each a run must have made to count as running.
_ACTOR_STEPS, _LEARNER_STEPS = 200, 50


class NotSurvivedError(AssertionError):
    """The run ended, stood still, or lost more than it may."""


class RunUnderTest:
    """A run that lasts until `stop`, or to a step limit.

    Attributes:
        patience_s: the longest recovery from any fault, in seconds.
        stop_s: the most that it may take to stop when it is told to.
    """

    patience_s = PATIENCE_S
    stop_s = 10.0

    def __init__(self, folder: Path, commands: Path, *, steps: int | None, step_s: float):
        """Starts it.

        Args:
            folder: of the run, new.
            commands: where `environment` looks for what it is told.
            steps: actor steps after which it ends.
            step_s: seconds that a step of its environments takes.
        """
        self.folder = RunFolder(folder)
        self.commands = commands
        self.step_limit = steps
        self._step_s = step_s
        self._output = (commands.parent / "output").open("w+", encoding="utf-8")
        self._process = self._start()

    def _command(self, resumed: bool = False) -> list[str]:
        command = train_command(
            self.folder.root,
            f"--steps={self.step_limit or 10**9}",
            "--evaluation_period=5000",
            f"--checkpoint_period={CHECKPOINT_PERIOD_S}",
            f"--replay_checkpoint_period={REPLAY_CHECKPOINT_PERIOD_S}",
            "--set=max_replay_size=20000",
            environment=environment.NAME,
        )
        if resumed:
            command = [*command[:4], f"--resume={self.folder.root}", "--resume_replay"]
        return [*command, f"--hang_timeout={HANG_TIMEOUT_S}"]

    def _variables(self) -> dict[str, str]:
        """What its environments are told by."""
        return {
            environment.COMMANDS: str(self.commands),
            environment.STEP_S: str(self._step_s),
        }

    def _start(self, resumed: bool = False) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(resumed),
            cwd=ROOT,
            env={**os.environ, **self._variables()},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def resume(self) -> None:
        """Starts it again from what it left in its folder."""
        self._process = self._start(resumed=True)

    def kill_all(self) -> None:
        """Ends it and all its processes at once, as a machine that loses power does."""
        self._kill()
        wait_until(lambda: not nodes_of(self.folder.root), "its processes are gone", self)

    def has_reached_its_limit(self) -> bool:
        """Whether it has ended by itself as it should, with all its steps done."""
        counts = self.counts()
        limit = self.step_limit
        done = limit is not None and counts is not None and counts[0] >= limit
        return done and self._process.poll() == 0

    def wait_for_its_limit(self) -> None:
        """Waits for the end that its step limit brings, for as long as it goes on."""
        while not self.has_reached_its_limit():
            self._wait_for_a_step()

    def _wait_for_a_step(self) -> None:
        before = self.counts()

        def goes_on() -> bool:
            return self.counts() != before or self.has_reached_its_limit()

        wait_until(goes_on, "it goes on to its step limit", self)

    def stop(self) -> float:
        """Stops it in order; returns the seconds that took."""
        start = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(PATIENCE_S) != 0:
            raise NotSurvivedError(f"It did not stop in order:\n{self.output()}")
        return time.monotonic() - start

    def close(self) -> None:
        """Ends whatever is left of it."""
        self._kill()
        self._output.close()

    def _kill(self) -> None:
        # First, or it would start the others again.
        self._process.kill()
        for process in nodes_of(self.folder.root):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def output(self) -> str:
        """The end of what it printed."""
        self._output.flush()
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")[-3000:]

    def processes(self) -> dict[str, psutil.Process]:
        """Its nodes' processes by name."""
        found = {}
        for process in nodes_of(self.folder.root):
            with contextlib.suppress(psutil.NoSuchProcess):
                # None of one that has just ended.
                for part in process.cmdline():
                    if part.startswith("--error_file="):
                        found[Path(part.partition("=")[2]).stem] = process
        return found

    def is_complete(self) -> bool:
        """Whether all its processes are there."""
        return set(self.processes()) == set(ROLES)

    def process(self, name: str) -> psutil.Process:
        """One node's process, once it is there."""
        wait_until(lambda: name in self.processes(), f"{name} is there", self)
        return self.processes()[name]

    def counts(self) -> tuple[int, int] | None:
        """Actor steps and gradient steps by the run's status, None while there is none."""
        try:
            status = read_json(self.folder.status)
        except FileNotFoundError:
            return None
        return status[ACTOR_STEPS], status[LEARNER_STEPS]

    def gradient_steps(self) -> int:
        """By its status, which is there."""
        counts = self.counts()
        assert counts is not None
        return counts[1]

    def events(self) -> list[dict[str, Any]]:
        """Its event log."""
        try:
            lines = self.folder.events.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def back_since(self, known: int) -> set[str]:
        """The nodes that have given a first sign of life since so many events were known."""
        return {event["node"] for event in self.events()[known:] if event["event"] == "back"}

    def rows(self, role: str) -> list[dict[str, str]]:
        """The rows of a role's metrics that have been written to their end."""
        try:
            text = self.folder.metrics(role).read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))

    def saved_steps(self) -> int:
        """The gradient steps in its newest checkpoint, 0 without one."""
        found = learner_checkpoints.all_of(self.folder.checkpoints)
        return int(found[-1].path.name) if found else 0

    def wait_for_new_checkpoints(self, count: int) -> None:
        """Waits until so many more have been written."""
        for _ in range(count):
            saved = self.saved_steps()
            wait_until(lambda: self.saved_steps() > saved, "a checkpoint", self)  # noqa: B023

    def wait_until_going_on(self) -> None:
        """Waits until all processes are there, and both actors and learner get on."""
        wait_until(self.is_complete, "all processes are there", self)
        start: tuple[int, int] | None = None

        def goes_on() -> bool:
            nonlocal start
            now = self.counts()
            if now is None:
                return False
            # A learner that has come back from a checkpoint counts from there.
            start = now if start is None else (min(start[0], now[0]), min(start[1], now[1]))
            return now[0] >= start[0] + _ACTOR_STEPS and now[1] >= start[1] + _LEARNER_STEPS

        wait_until(goes_on, "it goes on", self)


def wait_until(condition: Callable[[], bool], what: str, subject: RunUnderTest) -> None:
    """Waits for something of a run.

    Raises:
        NotSurvivedError: it did not come to be.
    """
    if not helpers.wait_until(condition, subject.patience_s):
        raise NotSurvivedError(
            f"Not within {subject.patience_s:.0f} s: {what}.\n{subject.output()}"
        )


@contextlib.contextmanager
def started(
    folder: Path, commands: Path, *, steps: int | None, step_s: float
) -> Iterator[RunUnderTest]:
    """A run that learns, and of which nothing is left in the end; see `RunUnderTest`."""
    subject = RunUnderTest(folder, commands, steps=steps, step_s=step_s)
    try:
        subject.wait_until_going_on()
        yield subject
    finally:
        subject.close()
