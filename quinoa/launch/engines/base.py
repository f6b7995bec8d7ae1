"""What an engine is."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.run_folder import RunFolder


class Outcome(enum.Enum):
    """How a run ended."""

    FINISHED = "finished"  # at its last step
    STOPPED = "stopped"  # by a signal, in order
    KILLED = "killed"  # by a second signal, before everything was saved
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        outcome: how.
        failed_node: the name of the process that failed, if one did.
        error: what it said, in full.
        restarts: how often processes were started again, by their roles.
        seconds_lost: to that, over all of them.
    """

    outcome: Outcome
    failed_node: str | None = None
    error: str | None = None
    restarts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    seconds_lost: float = 0.0


@dataclasses.dataclass(frozen=True)
class ProcessContext:
    """What the processes of a run start with, whatever engine starts them.

    Attributes:
        environment: their environment variables, to which an engine adds its own.
        folder: the folder that they start in. The default is the current folder of this process,
            so this is to be made before code of the user can change that.
    """

    environment: Mapping[str, str]
    folder: Path = dataclasses.field(default_factory=Path.cwd)


class Engine(Protocol):
    """Runs experiments. It is made with a `ProcessContext` and its own `EngineSettings`.

    Attributes:
        replay_form: the format of the replay checkpoints that it writes and can load.
        is_one_process: whether everything of a run is in the process that calls `run`.
    """

    replay_form: str
    is_one_process: bool

    def check(self, experiment: Experiment) -> None:
        """Raises `ExperimentError` where this engine cannot run it; says what to change."""

    def run(
        self,
        experiment: Experiment,
        folder: RunFolder,
        on_status: Callable[[Mapping[str, Any]], None],
    ) -> RunResult:
        """Runs an experiment to its end, or until SIGINT or SIGTERM.

        Args:
            experiment: what to run; it has been validated.
            folder: the run's folder, for its metrics, checkpoints and logs.
            on_status: called often with `Counter.status` and the number of `restarts`.

        Returns:
            How the run ended. Nothing that was started is left running.
        """
