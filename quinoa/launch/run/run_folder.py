"""Where everything of a run lies."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import time
from pathlib import Path

from quinoa.demonstrations.names import RECORDING
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.storage.files import is_partial_of, require_writable

# Checkpoints (of a full replay, 160 MB each for observations of 17 numbers), logs and metrics.
MIN_FREE_BYTES = 10**9
# Letters of the environment's and of the agent's name that the name of a folder has.
_MAX_SLUG = 80


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The paths of one run."""

    root: Path

    @property
    def experiment(self) -> Path:
        """What was run: the experiment, the versions, the command line."""
        return self.root / "experiment.json"

    @property
    def status(self) -> Path:
        """How far the run is; rewritten while it runs."""
        return self.root / "status.json"

    @property
    def counter(self) -> Path:
        """What the counter needs if it is restarted while the run lasts."""
        return self.root / "counter.json"

    @property
    def events(self) -> Path:
        """A line of JSON on each process that failed, and each that was started again."""
        return self.root / "events.jsonl"

    @property
    def scale(self) -> Path:
        """How many actors a run that is under way is to have; see `run.scale`."""
        return self.root / "scale.json"

    @property
    def result(self) -> Path:
        """How the run ended."""
        return self.root / "result.json"

    @property
    def cluster_end(self) -> Path:
        """How the run ended in a cluster, as its server there tells it."""
        return self.root / "cluster_end.json"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint, named by its number of learner steps."""
        return self.root / "checkpoints"

    @property
    def replay(self) -> Path:
        """Saved replay: one folder a checkpoint, numbered; none where nothing was saved."""
        return self.root / "replay"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.root / "tensorboard"

    @property
    def logs(self) -> Path:
        """What each process printed."""
        return self.root / "logs"

    @property
    def learning_curve(self) -> Path:
        """The picture of returns over actor steps."""
        return self.root / "learning_curve.png"

    @property
    def videos(self) -> Path:
        """Videos of the policy, unless they are told to go elsewhere."""
        return self.root / "videos"

    @property
    def demonstrations(self) -> Path:
        """What the policy does, as a dataset, unless that is recorded elsewhere."""
        return self.root / RECORDING

    def metrics(self, role: str) -> Path:
        """The CSV file of one role: actor, learner or evaluator."""
        return self.root / "metrics" / f"{role}.csv"

    @property
    def evaluations(self) -> Path:
        """The CSV file of the evaluations' single episodes."""
        return self.root / "evaluations.csv"

    @property
    def processes(self) -> Path:
        """Which processes there are, and what they are at; rewritten while it runs."""
        return self.root / "processes.json"

    def source_diff(self, resumed_at: int | None = None) -> Path:
        """What the sources differed in from the revision that `experiment` names."""
        when = "" if resumed_at is None else f".resumed-at-{resumed_at}"
        return self.root / f"source{when}.diff"

    def require_new(self) -> None:
        """Checks that `create` can make the folder, as far as can be seen without making it.

        Raises:
            ExperimentError: it already holds something, or cannot be written.
        """
        if not _is_text(self.root.absolute()):
            raise ExperimentError(
                f"The run's folder {self.root} has a name that is not UTF-8, in which TensorFlow "
                "can save nothing: give another."
            )
        try:
            require_writable(self.root)
            if self.experiment.exists():
                raise ExperimentError(
                    f"{self.root} already holds a run: give another folder, or remove that one."
                )
            if self.root.exists() and any(self.root.iterdir()):
                raise ExperimentError(f"{self.root} is not empty: give a new folder for the run.")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ExperimentError:
        return ExperimentError(
            f"The run's folder {self.root} cannot be written ({error.strerror}): give another."
        )

    def create(self) -> None:
        """Makes the folder, which must be new or empty, with room to write in.

        Raises:
            ExperimentError: it already holds something, cannot be written, or the disk is full.
        """
        self.require_new()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in self._made:
                folder.mkdir()
        except OSError as error:
            raise self._unwritable(error) from error
        free = shutil.disk_usage(self.root).free
        if free < MIN_FREE_BYTES:
            self.remove_if_unused()
            raise ExperimentError(
                f"The disk of {self.root} has {free / 1e9:.2f} GB left, and a run needs "
                f"{MIN_FREE_BYTES / 1e9:.0f} GB: make room, or give a folder on another disk."
            )

    def remove_if_unused(self) -> None:
        """Takes back what `create` made, unless something has been written there since."""
        for folder in self._made:
            _remove_if_empty(folder)
        _remove_if_empty(self.root)

    def remove_if_not_begun(self) -> None:
        """Takes back a run that ended before anything of it was started: nothing is lost with it.

        What such a run has is what it was to be, and how it ended. Where there is anything else,
        all stays.
        """
        described = {self.experiment, self.source_diff(), self.processes, self.result}
        try:
            there = {*self.root.iterdir()}
            # A process that was killed may have left one of these partly written.
            described |= {path for path in there if is_partial_of(path, described)}
            if there <= {*described, *self._made} and not any(_holds(path) for path in self._made):
                for path in described & there:
                    path.unlink()
                self.remove_if_unused()
        except OSError:
            return

    @property
    def _made(self) -> tuple[Path, ...]:
        """The folders that a run's folder has from the beginning."""
        return self.checkpoints, self.tensorboard, self.logs, self.root / "metrics"


def fresh(task: str, agent: str, seed: int, *, parent: Path) -> RunFolder:
    """A folder in `parent` that no other run has, by what is run and when."""
    # The ends of import paths tell more than their beginnings. A name has 255 bytes at most, and
    # what is made of a run is named after it.
    of_what = f"{_slug(task)[-_MAX_SLUG:]}-{_slug(agent)[-_MAX_SLUG:]}"
    name = f"{of_what}-{time.strftime('%Y%m%d-%H%M%S')}-s{seed}"
    return RunFolder(unused(parent / name))


def unused(path: Path) -> Path:
    """A path at which nothing is: this one, or with a number after it."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def existing(path: str | os.PathLike[str]) -> RunFolder:
    """The folder of a run that was made.

    Raises:
        RunError: there is no run.
    """
    folder = RunFolder(Path(path))
    try:
        is_folder = folder.root.is_dir()
    except OSError as error:  # As of a name that is too long.
        raise RunError(f"There is no run at {folder.root}: {error.strerror}.") from error
    if not is_folder:
        raise RunError(f"There is no run at {folder.root}: it is not a folder.")
    if not folder.experiment.is_file():
        raise RunError(f"There is no run at {folder.root}: it holds no {folder.experiment.name}.")
    return folder


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def _is_text(path: Path) -> bool:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _holds(folder: Path) -> bool:
    """Whether anything is in a folder."""
    return folder.is_dir() and any(folder.iterdir())


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
