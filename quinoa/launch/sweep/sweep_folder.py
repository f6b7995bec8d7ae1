"""The folder of a sweep: the paths of its files, its plan, and the state of its runs."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch import presets
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run import result as run_result
from quinoa.launch.run.budget import Budget, Unit
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage import saved_json
from quinoa.launch.storage.files import read_json, write_json, write_text

_PRESET, _NUM_ACTORS, _INIT_FROM = "--preset=", "--num_actors=", "--init_from="


class SweepRunState(enum.Enum):
    """The state of a sweep's run."""

    WAITING = "waiting"  # not started yet
    INTERRUPTED = "broken off"  # started, and ended before its last step
    FINISHED = "finished"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A planned run of a sweep.

    Attributes:
        name: the name of its folder.
        settings: by name, its settings that differ between the sweep's runs, and always its agent,
            and its env or, where it has none, its demonstrations.
        seed: its seed.
        steps: at which it ends, in `unit`.
        arguments: all its flags of `quinoa train` except for the folder.
    """

    name: str
    settings: Mapping[str, str]
    seed: int
    steps: int
    arguments: tuple[str, ...]

    @property
    def task(self) -> str:
        """The name of the setting that says what is learned: env, or demonstrations."""
        is_learned_alone = "demonstrations" in self.settings and "env" not in self.settings
        return "demonstrations" if is_learned_alone else "env"

    @property
    def unit(self) -> Unit:
        """What its steps are: gradient steps where no actor acts in an environment."""
        return "actor_steps" if self.task == "env" else "learner_steps"


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep, with the folders of its runs and the sweep's own files.

    Attributes:
        root: the folder's path.
    """

    root: Path

    @property
    def description(self) -> Path:
        """The plan: the runs and their flags."""
        return self.root / "sweep.json"

    @property
    def preset_file(self) -> Path:
        """A copy of the user's preset file, if the sweep's preset is from one."""
        return self.root / "presets.toml"

    @property
    def process(self) -> Path:
        """The process that runs the sweep, or ran it last, and the steps done before it started."""
        return self.root / "process.json"

    @property
    def failures(self) -> Path:
        """The reasons of failures, by the runs' names."""
        return self.root / "failures.json"

    @property
    def runs_table(self) -> Path:
        """A table with a row for each run."""
        return self.root / "runs.csv"

    @property
    def table(self) -> Path:
        """A table with a row for each combination of settings, over its seeds, as Markdown."""
        return self.root / "table.md"

    @property
    def picture(self) -> Path:
        """The picture of the learning curves."""
        return self.root / "learning_curves.png"

    def run(self, planned: PlannedRun) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.root / planned.name)

    def log(self, planned: PlannedRun) -> Path:
        """The file with what a run printed."""
        return self.root / "logs" / f"{planned.name}.log"

    def create(self) -> None:
        """Creates the folder, which must not exist or be empty.

        Raises:
            ExperimentError: it is not empty, or cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.description.exists():
                raise ExperimentError(
                    f"{self.root} already holds a sweep: resume it by --resume={self.root}, or "
                    "give another folder."
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
        """The folder of the runs' logs."""
        return self.root / "logs"

    def arguments(self, planned: PlannedRun) -> tuple[str, ...]:
        """The flags of `quinoa train` that start a run, or resume one that has been started."""
        # Imported here, as below.
        from quinoa.launch.checkpoints import checkpoint_folder

        given = [text for text in planned.arguments if not text.startswith(_PRESET)]
        folder = self.run(planned)
        if folder.experiment.is_file():
            # The run already has the preset's settings, and began with what it was to begin with.
            given = [text for text in given if not text.startswith(_INIT_FROM)]
            given.append(f"--resume={folder.root}")
            if checkpoint_folder.paths_in(folder.replay):
                # Close to a run that was not interrupted, also where few steps are left.
                given.append("--resume_replay")
            if any(text.startswith(_NUM_ACTORS) for text in given):
                # As planned, although `quinoa scale` may have given the run another number.
                given.append("--change=num_actors")
            return tuple(given)
        for index, text in enumerate(given):
            # Another run of the sweep is named within the sweep's folder, which may be moved.
            other = self.root / text.removeprefix(_INIT_FROM)
            if text.startswith(_INIT_FROM) and other.is_dir():
                given[index] = f"{_INIT_FROM}{other}"
        for text in planned.arguments:
            if text.startswith(_PRESET):
                name = text.removeprefix(_PRESET)
                if presets.own_file(name) is not None and self.preset_file.is_file():
                    name = f"{self.preset_file}:{name.rpartition(':')[2]}"
                given.append(f"{_PRESET}{name}")
        return (*given, f"--folder={folder.root}")

    def keep_preset(self, preset: presets.Preset) -> None:
        """Copies the user's preset file, which may be edited while the sweep runs.

        Raises:
            ExperimentError: it has been edited since the preset was read, or cannot be copied.
        """
        file = presets.own_file(preset.name)
        if file is None:
            return
        try:
            write_text(self.preset_file, file.read_text(encoding="utf-8-sig"))
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
        self, plan: Sequence[PlannedRun], at_once: int, settings: Sequence[str], called_in: Path
    ) -> None:
        """Writes the plan, with the settings and the program version that it comes from.

        Args:
            plan: the runs.
            at_once: how many run at the same time.
            settings: the settings to vary, as typed.
            called_in: the folder that the program was started in.
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
        """How many runs run at the same time, as chosen when the sweep was started."""
        with saved_json.parsing_file(self.description):
            return max(int(read_json(self.description)["at_once"]), 1)

    def called_in(self) -> Path | None:
        """The folder that the sweep was started in, from which its relative paths start.

        None where the plan does not say it, as of an older version.
        """
        with saved_json.parsing_file(self.description):
            described = dict(read_json(self.description))
            if "working_folder" not in described:
                return None
            return Path(described["working_folder"]["path"])

    def load(self) -> list[PlannedRun]:
        """Reads the plan.

        Raises:
            RunError: there is no sweep, or its plan is damaged.
        """
        if not self.description.is_file():
            raise RunError(
                f"There is no sweep at {self.root}: it holds no {self.description.name}."
            )
        with saved_json.parsing_file(self.description):
            return [
                PlannedRun(
                    name=_checked_name(run["name"]),
                    settings={str(name): str(text) for name, text in run["settings"].items()},
                    seed=int(run["seed"]),
                    steps=int(run["steps"]),
                    arguments=tuple(map(str, run["arguments"])),
                )
                for run in read_json(self.description)["runs"]
            ]

    def state(self, planned: PlannedRun) -> SweepRunState:
        """A run's state, found from its folder alone.

        So it does not matter which process ran it and how that ended.
        """
        # Imported here: they import NumPy, which `quinoa status` of a run does not need.
        from quinoa.launch.checkpoints import learner_checkpoints

        folder = self.run(planned)
        if run_result.is_complete(folder):
            # Maybe by hand, after it had failed.
            return SweepRunState.FINISHED
        if planned.name in self.failed():
            return SweepRunState.FAILED
        if not folder.experiment.is_file():
            return SweepRunState.WAITING
        outcome = run_result.outcome_of(folder)
        if outcome in (Outcome.FINISHED, Outcome.FAILED):
            return SweepRunState(outcome.value)
        # A run that ended during its final evaluation has nothing left to resume.
        try:
            _, counts = learner_checkpoints.newest_with_counts(folder.checkpoints)
        except RunError:
            return SweepRunState.INTERRUPTED
        return (
            SweepRunState.FINISHED
            if Budget(planned.steps, planned.unit).is_spent(counts)
            else SweepRunState.INTERRUPTED
        )

    def failed(self) -> dict[str, str]:
        """The reasons of failures, by the runs' names."""
        try:
            return dict(read_json(self.failures))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{self.failures} is damaged ({error}): remove it.") from error

    def set_failure(self, planned: PlannedRun, error: str | None) -> None:
        """Records why a run failed; None clears that, when the run is tried again."""
        failures = self.failed()
        before = failures.pop(planned.name, None)
        if error is not None:
            failures[planned.name] = error
        if error != before:
            write_json(self.failures, failures)


def _checked_name(name: Any) -> str:
    """Refuses a name that would place a run's folder outside the sweep's."""
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is no name of a run")
    return name
