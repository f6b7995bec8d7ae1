"""What an engine is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quinoa.launch.engines.local.warm_parent import WarmParent
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.result import RunResult
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.launch.run.status import Status


@dataclasses.dataclass(frozen=True)
class ProcessContext:
    """What the processes of a run start with, whatever engine starts them.

    Attributes:
        environment: their environment variables, to which an engine adds its own.
        folder: the folder that they start in. The default is the current folder of this process,
            so this is to be made before code of the user can change that.
        warm_parent: what an engine that `forks` forks them from; without, it starts one itself.
    """

    environment: Mapping[str, str]
    folder: Path = dataclasses.field(default_factory=Path.cwd)
    warm_parent: WarmParent | None = None


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
        on_status: Callable[[Status], None],
    ) -> RunResult:
        """Runs an experiment to its end, or until SIGINT or SIGTERM.

        Args:
            experiment: what to run; it has been validated.
            folder: the run's folder, for its metrics, checkpoints and logs.
            on_status: called often with how far the run is and how it goes.

        Returns:
            How the run ended. Nothing that was started is left running.
        """
