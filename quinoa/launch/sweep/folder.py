"""Where everything of a sweep lies, and what is planned in it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch import presets
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json, write_text

_PRESET = "--preset="


class State(enum.Enum):
    """How far a run of a sweep is."""

    WAITING = "waiting"  # not begun
    BROKEN_OFF = "broken off"  # begun, and not at its end
    FINISHED = "finished"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        name: of its folder.
        settings: by name, what it is given that others are given otherwise; agent and env always.
        seed: its seed.
        steps: actor steps at its end.
        arguments: all the flags of `train` but for the folder.
    """

    name: str
    settings: Mapping[str, str]
    seed: int
    steps: int
    arguments: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """The paths of one sweep, which are a folder of runs and files beside them."""

    root: Path

    @property
    def description(self) -> Path:
        """What was planned: the runs and their flags."""
        return self.root / "sweep.json"

    @property
    def preset_file(self) -> Path:
        """A copy of the file that its preset is of; none where that is not the user's own."""
        return self.root / "presets.toml"

    @property
    def process(self) -> Path:
        """Which process goes through the runs, or did last, and what was done before."""
        return self.root / "process.json"

    @property
    def failures(self) -> Path:
        """By the names of the runs that failed, why."""
        return self.root / "failures.json"

    @property
    def runs_table(self) -> Path:
        """A row for each run."""
        return self.root / "runs.csv"

    @property
    def table(self) -> Path:
        """A row for each combination of settings, over its seeds; .md, for people."""
        return self.root / "table.md"

    @property
    def picture(self) -> Path:
        """The learning curves."""
        return self.root / "learning_curves.png"

    def run(self, planned: Planned) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.root / planned.name)

    def log(self, planned: Planned) -> Path:
        """What a run printed."""
        return self.root / "logs" / f"{planned.name}.log"

    def create(self) -> None:
        """Makes the folder, which must be new or empty.

        Raises:
            ExperimentError: it holds something, or cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.description.exists():
                raise ExperimentError(
                    f"{self.root} already holds a sweep: go on with --resume={self.root}, or give "
                    "another folder."
                )
            if any(self.root.iterdir()):
                raise ExperimentError(f"{self.root} is not empty: give a new folder.")
            self.log_folder.mkdir()
        except OSError as error:
            raise ExperimentError(
                f"The sweep's folder {self.root} cannot be written ({error.strerror}): give "
                "another."
            ) from error

    @property
    def log_folder(self) -> Path:
        """The logs of the runs."""
        return self.root / "logs"

    def arguments(self, planned: Planned) -> tuple[str, ...]:
        """What `train` is told for a run to begin, or for one that has begun to go on."""
        told = [text for text in planned.arguments if not text.startswith(_PRESET)]
        folder = self.run(planned)
        if folder.experiment.is_file():
            # It has the preset's settings.
            return (*told, f"--resume={folder.root}")
        for text in planned.arguments:
            if text.startswith(_PRESET):
                name = text.removeprefix(_PRESET)
                if presets.own_file(name) is not None and self.preset_file.is_file():
                    name = f"{self.preset_file}:{name.rpartition(':')[2]}"
                told.append(f"{_PRESET}{name}")
        return (*told, f"--folder={folder.root}")

    def keep_preset(self, preset: presets.Preset) -> None:
        """Copies the file of a preset of the user's own, who may edit it while the sweep goes on.

        Raises:
            ExperimentError: it was edited after the preset was read, or cannot be copied.
        """
        file = presets.own_file(preset.name)
        if file is None:
            return
        try:
            write_text(self.preset_file, file.read_text(encoding="utf-8"))
            kept = presets.load(f"{self.preset_file}:{preset.name.rpartition(':')[2]}")
        except (OSError, ValueError) as error:
            raise ExperimentError(
                f"{file} cannot be copied to {self.preset_file}: {error}"
            ) from error
        if kept != preset._replace(name=kept.name):
            raise ExperimentError(
                f"{file} was changed while the sweep was checked: start it again."
            )

    def save(
        self, plan: Sequence[Planned], at_once: int, settings: Sequence[str], called_in: Path
    ) -> None:
        """Writes what is planned, with how it came about.

        Args:
            plan: the runs.
            at_once: how many run at the same time.
            settings: what the sweep goes through, as typed.
            called_in: the folder that the program was called in.
        """
        from quinoa.launch.run import provenance

        described = {
            "settings": list(settings),
            "at_once": at_once,
            "runs": [dataclasses.asdict(planned) for planned in plan],
            **provenance.collect(called_in),
        }
        write_json(self.description, described)

    def at_once(self) -> int:
        """How many of its runs run at the same time, as was chosen at first."""
        try:
            return max(int(read_json(self.description)["at_once"]), 1)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.description} is damaged ({error}).") from error

    def load(self) -> list[Planned]:
        """Reads what is planned.

        Raises:
            RunError: there is no sweep, or its description is damaged.
        """
        if not self.description.is_file():
            raise RunError(
                f"There is no sweep at {self.root}: it holds no {self.description.name}."
            )
        try:
            plan = [
                Planned(
                    name=_checked_name(run["name"]),
                    settings={str(name): str(text) for name, text in run["settings"].items()},
                    seed=int(run["seed"]),
                    steps=int(run["steps"]),
                    arguments=tuple(map(str, run["arguments"])),
                )
                for run in read_json(self.description)["runs"]
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{self.description} is damaged, or of another version "
                f"({type(error).__name__}: {error})."
            ) from error
        return plan

    def state(self, planned: Planned) -> State:
        """How far a run is, by its folder, whoever ran it and however that ended."""
        # Not above: they import NumPy, which `quinoa status` of a run does without.
        from quinoa.launch.checkpoints import learner_checkpoints

        folder = self.run(planned)
        if planned.name in self.failed():
            return State.FAILED
        if not folder.experiment.is_file():
            return State.WAITING
        try:
            outcome = read_json(folder.result)["outcome"]
        except (OSError, ValueError, KeyError, TypeError):
            outcome = None
        if outcome in (State.FINISHED.value, State.FAILED.value):
            return State(outcome)
        # One that ended within its final evaluation has nothing to go on with.
        try:
            _, counts = learner_checkpoints.newest_with_counts(folder.checkpoints)
        except RunError:
            return State.BROKEN_OFF
        return State.FINISHED if counts.actor_steps >= planned.steps else State.BROKEN_OFF

    def failed(self) -> dict[str, str]:
        """Why runs failed, by their names."""
        try:
            return dict(read_json(self.failures))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{self.failures} is damaged ({error}): remove it.") from error

    def set_failure(self, planned: Planned, error: str | None) -> None:
        """Notes why a run failed, or that it is tried again."""
        failures = self.failed()
        before = failures.pop(planned.name, None)
        if error is not None:
            failures[planned.name] = error
        if error != before:
            write_json(self.failures, failures)


def _checked_name(name: Any) -> str:
    """A run's folder lies in the sweep's."""
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a run")
    return name
