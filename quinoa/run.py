"""A run: its state, what it measured, and what it has learned."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa import paths, tables
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run import run_folder
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.learned import Learned

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.watch.overview import RunOverview
    from quinoa.session import Session

# Environments that runs of this process were trained in and that a run does not keep, by the
# folders of the runs.
_objects: dict[Path, EnvironmentSource] = {}
_objects_lock = threading.Lock()


class Run(Learned):
    """A run, running or ended: its folder, and what can be made of it.

    Attributes:
        path: of its folder, absolute.
        given_environment: what was given as its environment, where it does not keep that.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        environment: EnvironmentSource | None = None,
        session: Session | None = None,
    ):
        """Opens the folder of a run; `quinoa.load` is the way to do that.

        Args:
            path: of the folder.
            environment: what was given as the environment, where the run does not keep that.
            session: of the run, where this process started it.

        Raises:
            RunError: there is no run.
        """
        # Absolute, so that it stays right when the program changes its working directory.
        self._folder = run_folder.existing(paths.absolute(path))
        self.path = self._folder.root
        self._session = session
        with _objects_lock:
            if environment is not None and environment.maker is not None:
                _objects[self.path] = environment
            self.given_environment = environment or _objects.get(self.path)

    def __repr__(self) -> str:
        """The folder."""
        return f"<Run {self.path}>"

    # Its state.

    @property
    def outcome(self) -> str | None:
        """How it ended: `finished`, `stopped`, `killed` or `failed`; None while it runs."""
        result = self._overview().result
        return None if result is None else result.outcome.value

    def status(self) -> dict[str, Any]:
        """How far it is and how fast, as `quinoa status` shows it.

        Returns:
            `state` (`running`, `silent`, `dead` or `ended`), `outcome`, and what is known of
            `actor_steps`, `learner_steps`, `steps`, `actor_steps_per_second`,
            `learner_steps_per_second`, `actor_return`, `evaluation_return` and more.
        """
        run = self._overview()
        return {
            "state": run.state.value,
            "outcome": None if run.result is None else run.result.outcome.value,
            **({} if run.status is None else run.status.to_json()),
        }

    def stop(self) -> None:
        """Asks the run to end in order, with a last checkpoint; a second time, at once.

        Raises:
            RunError: it was not started by this process.
        """
        self._own_session("stopped").stop()

    def wait(self, timeout: float | None = None) -> Run:
        """Waits until it is over.

        Args:
            timeout: seconds, at most; None is for ever.

        Returns:
            The run itself.

        Raises:
            TimeoutError: it is still running after that time.
            TrainingError: it has failed.
            RunError: it was not started by this process.
        """
        if self._session is None and self._overview().result is not None:
            return self
        return self._own_session("waited for").wait(timeout)

    # What it measured.

    def curve(self, role: str = Role.EVALUATOR) -> pd.DataFrame:
        """The learning curve: a row an evaluation, or a report of the actors.

            run.curve().plot(x="actor_steps", y="episode_return")

        Args:
            role: `evaluator`, or `actor` for the returns of the actors as they learn.

        Returns:
            `actor_steps`, `learner_steps`, `hours` of training, `episode_return`, and for the
            evaluator also `episode_return_std`, `episode_length` and `episodes`.

        Raises:
            RunError: there is nothing yet.
        """
        return tables.curve(self._folder, role)

    def metrics(self, role: str) -> pd.DataFrame:
        """All that one role has measured, a row a report; docs/runs.md says what columns mean.

        Args:
            role: `actor`, `learner` or `evaluator`.

        Raises:
            RunError: there is nothing yet, or the file is damaged.
        """
        return tables.metrics(self._folder, role)

    @property
    def evaluations(self) -> pd.DataFrame:
        """Every episode of every evaluation: its counts, `episode_return` and `episode_length`."""
        return tables.evaluations(self._folder)

    # What was run.

    @property
    def config(self) -> dict[str, Any]:
        """Everything that was set: the experiment's fields and the agent's settings, by name."""
        experiment = self.experiment
        fields = {
            field.name: getattr(experiment, field.name)
            for field in dataclasses.fields(experiment)
            if field.name not in ("agent_config", "environment_maker", "layout")
        }
        return {**fields, **dataclasses.asdict(experiment.config)}

    # What the others need.

    @property
    def folder(self) -> RunFolder:
        """The paths of all that the run's folder holds."""
        return self._folder

    def _overview(self) -> RunOverview:
        from quinoa.launch.watch import overview

        return overview.read(self._folder)

    def _own_session(self, what: str) -> Session:
        if self._session is None:
            raise RunError(f"{self.path} is not a run of this process, and cannot be {what} by it.")
        return self._session


def load(path: str | os.PathLike[str], *, env: Any = None) -> Run:
    """Opens a run, running or ended.

        quinoa.load("runs/RUN").evaluate(episodes=20)

    Args:
        path: of its folder.
        env: the environment, where it was given as an object by another process: a run does not
            keep that. Or another one of the same layout, to use in its place.

    Raises:
        RunError: there is no run.
        ExperimentError: `env` is no environment.
    """
    from quinoa.environments.errors import InvalidEnvironmentError
    from quinoa.environments.source import environment_source

    try:
        return Run(path, environment=None if env is None else environment_source(env))
    except InvalidEnvironmentError as error:
        raise ExperimentError(str(error)) from error
