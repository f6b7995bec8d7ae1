"""What became of the faults, as a table, and of the run."""

from __future__ import annotations

import collections
import contextlib
import csv
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pandas as pd
import psutil

from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import load
from quinoa.launch.run.run_folder import RunFolder
from tests.chaos import environment
from tests.chaos.run_under_test import NotSurvivedError, RunUnderTest
from tests.launch.helpers import ROOT, train_command

_EPISODES = 50
# What a final policy is held against: few steps and soon done, as the task is learned by then.
_UNDISTURBED_SEEDS = 3
_UNDISTURBED_STEPS = 5000
_LEAST_NOISE = 0.3


class Report:
    """Gathers, prints as it goes, and writes `results.md` and `resources.csv`."""

    def __init__(self, out: Path):
        """Takes the folder."""
        self._out = out
        self._seconds: dict[str, list[float | None]] = collections.defaultdict(list)
        self._steps_lost: dict[str, list[int]] = collections.defaultdict(list)
        self._notes: list[str] = []
        self._resources: IO[str] | None = None
        self.is_survived = True

    @property
    def num_faults(self) -> int:
        """So far."""
        return sum(len(seconds) for seconds in self._seconds.values())

    def add(self, fault: str, seconds: float | None, steps_lost: int) -> None:
        """A fault is over.

        Args:
            fault: its name.
            seconds: until the run went on, None if it did not.
            steps_lost: gradient steps that were done anew.
        """
        self._seconds[fault].append(seconds)
        self._steps_lost[fault].append(steps_lost)
        how = "not survived" if seconds is None else f"{seconds:.1f} s, {steps_lost} steps lost"
        print(f"{self.num_faults:4d} {fault}: {how}", flush=True)

    def note(self, text: str) -> None:
        """Something to be known beside the table."""
        self._notes.append(text)
        print(text, flush=True)

    def fail(self, text: str) -> None:
        """The run has not survived, or lost what it may not."""
        self.is_survived = False
        self.note(text)

    def sample(self, subject: RunUnderTest) -> None:
        """Records the memory and the file descriptors of every process."""
        if self._resources is None:
            self._resources = (self._out / "resources.csv").open("w", encoding="utf-8", newline="")
            csv.writer(self._resources).writerow(["faults", "node", "pid", "rss_mb", "descriptors"])
        for name, process in subject.processes().items():
            with contextlib.suppress(psutil.NoSuchProcess):
                row = (process.memory_info().rss / 2**20, process.num_fds())
                csv.writer(self._resources).writerow([self.num_faults, name, process.pid, *row])
        self._resources.flush()

    def end(self, subject: RunUnderTest) -> None:
        """Stops the run, or waits for its own end, and looks at all that it leaves.

        Raises:
            NotSurvivedError: something of it is not as it must be.
        """
        if subject.step_limit is None:
            seconds = subject.stop()
            self.note(f"Told to stop, it had saved and ended after {seconds:.1f} s.")
            if seconds > subject.stop_s:
                raise NotSurvivedError(f"that is more than {subject.stop_s:.0f} s.")
        else:
            subject.wait_for_its_limit()
            self.note(f"It ended by itself at its limit of {subject.step_limit} steps.")
        self._check_replay(subject)
        self._check_curves(subject)
        self._check_policy(subject)

    def write(self, command: str) -> None:
        """Writes the table."""
        lines = [
            f"`{command}`: {self.num_faults} faults.",
            "",
            "| fault | tried | survived | seconds to recover: median (most) | gradient steps "
            "lost: most |",
            "| --- | --- | --- | --- | --- |",
        ]
        for fault, seconds in sorted(self._seconds.items()):
            known = [s for s in seconds if s is not None]
            times = f"{statistics.median(known):.1f} ({max(known):.1f})" if known else ""
            lost = max(self._steps_lost[fault])
            lines.append(f"| {fault} | {len(seconds)} | {len(known)} | {times} | {lost} |")
        lines += ["", *self._notes]
        text = "\n".join(lines) + "\n"
        (self._out / "results.md").write_text(text, encoding="utf-8")
        print(text)
        if self._resources is not None:
            self._resources.close()

    def _check_replay(self, subject: RunUnderTest) -> None:
        from tests.launch import checked

        checkpoint, damaged = replay_checkpoints.newest_whole(subject.folder)
        if checkpoint is None or damaged:
            raise NotSurvivedError("what replay held was not saved whole at the end.")
        with _libraries_to(self._out / "libraries.log"):
            transitions = checked.read_back(checkpoint.path, load(subject.folder).spec())
        found = checked.verify(transitions)
        doubled = len(found) - len(set(found))
        self.note(f"Replay held {len(found)} transitions, all of them intact; {doubled} twice.")
        if not found or doubled:
            raise NotSurvivedError("replay must hold transitions, and none of them twice.")

    def _check_curves(self, subject: RunUnderTest) -> None:
        for role in ("actor", "learner", "evaluator"):
            table = pd.read_csv(subject.folder.metrics(role))
            if not table["actor_steps"].is_monotonic_increasing or table["wall_time"].isna().any():
                raise NotSurvivedError(f"the metrics of the {role} go back, or have gaps.")

    def _check_policy(self, subject: RunUnderTest) -> None:
        folder = subject.folder
        value = statistics.mean(_evaluated(folder, load(folder)))
        undisturbed = [statistics.mean(_undisturbed(seed)) for seed in range(_UNDISTURBED_SEEDS)]
        self.note(
            f"Return of the final policy: {value:.2f}; of runs to which nothing was done, by seed: "
            f"{', '.join(f'{of:.2f}' for of in undisturbed)}."
        )
        noise = max(max(undisturbed) - min(undisturbed), _LEAST_NOISE)
        if value < min(undisturbed) - noise:
            raise NotSurvivedError("that is less than the noise of seeds allows.")


@contextlib.contextmanager
def _libraries_to(path: Path) -> Iterator[None]:
    """Has what libraries say on standard error go to a file: Reverb says much, from C++."""
    before = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def _evaluated(folder: RunFolder, experiment: Experiment) -> list[float]:
    from quinoa.launch.trained.evaluate import evaluate_checkpoint

    checkpoint = learner_checkpoints.newest(folder.checkpoints)
    return evaluate_checkpoint(experiment, checkpoint, _EPISODES).returns.tolist()


def _undisturbed(seed: int) -> list[float]:
    """The returns of what a run in one process learns in its first gradient steps."""
    with tempfile.TemporaryDirectory(prefix="quinoa-chaos-") as temporary:
        root = Path(temporary, "run")
        command = train_command(
            root,
            *(f"--steps={_UNDISTURBED_STEPS}", f"--seed={seed}", "--engine=serial"),
            environment=environment.NAME,
        )
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        folder = RunFolder(root)
        return _evaluated(folder, load(folder))
