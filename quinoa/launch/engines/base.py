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
class Settings:
    """What an engine is made with.

    Attributes:
        inherited: the environment variables for the processes that it starts.
        private_network: keep those processes' ports to themselves, where the kernel allows it.
        require_private: run nothing where it does not.
        hang_timeout_s: seconds without progress after which one of those processes is killed and
            started again.
        folder: that they start in; by default the one that this process is in when it says so,
            which is to be before code of the user's own is run.
    """

    inherited: Mapping[str, str]
    private_network: bool = True
    require_private: bool = False
    hang_timeout_s: float = 120.0
    folder: Path = dataclasses.field(default_factory=Path.cwd)


class Engine(Protocol):
    """Runs experiments.

    Attributes:
        replay_form: of the checkpoints of replay that it writes and can take up.
        is_one_process: whether everything of a run is in the process that calls `run`.
    """

    replay_form: str
    is_one_process: bool

    def __init__(self, settings: Settings):
        """Starts nothing."""

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
            folder: made for the run; metrics, checkpoints and logs go there.
            on_status: called often with `Counter.status`, and `restarts`, how many there were.

        Returns:
            How it ended; nothing that was started is left running.
        """
