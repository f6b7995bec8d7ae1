"""A run: its state, what it measured, and what it has learned."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa import tables
from quinoa.evaluation import Evaluation
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run import run_folder
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.video import Video

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.watch.overview import RunOverview
    from quinoa.policy import Policy
    from quinoa.session import Session

# Environments that runs of this process were trained in and that a run does not keep, by the
# folders of the runs.
_objects: dict[Path, EnvironmentSource] = {}
_objects_lock = threading.Lock()


class Run:
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
        self._folder = run_folder.existing(os.path.abspath(path))
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
    def experiment(self) -> Experiment:
        """What is run, whole."""
        from quinoa.launch.experiment import saved
        from quinoa.launch.machine import embedded_tensorflow

        with embedded_tensorflow.tensorflow_may_be_imported():
            return saved.load(self._folder, self.given_environment)

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

    # What it has learned.

    @property
    def checkpoints(self) -> list[int]:
        """The checkpoints that there are, by their numbers of gradient steps, the newest last."""
        from quinoa.launch.checkpoints import learner_checkpoints

        return [
            int(each.path.name) for each in learner_checkpoints.all_of(self._folder.checkpoints)
        ]

    def policy(self, step: int | None = None) -> Policy:
        """The policy; it needs no environment.

        Args:
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Raises:
            RunError: there is none, or it is damaged.
        """
        from quinoa.launch.machine import embedded_tensorflow

        embedded_tensorflow.import_tensorflow()
        from quinoa.launch.trained.evaluate import load_policy
        from quinoa.policy import Policy

        experiment = self.experiment
        policy = load_policy(experiment, self._checkpoint(step))
        return Policy(policy, experiment.known_layout())

    def evaluate(
        self,
        episodes: int = 10,
        *,
        seeds: Sequence[int] | None = None,
        sample: bool = False,
        step: int | None = None,
    ) -> Evaluation:
        """Plays episodes with what has been learned, as `quinoa evaluate` does.

        Args:
            episodes: how many, for each seed.
            seeds: of the environments and the actions; None is one that follows from the run's.
            sample: with sampled actions rather than the policy's mode.
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Raises:
            ExperimentError: the environment cannot be made, or is not the one of the run.
            RunError: there is no checkpoint, or it is damaged.
            EnvironmentFault: the environment fails too often.
        """
        if episodes < 1:
            raise ValueError(f"episodes = {episodes} cannot work: it must be at least 1.")
        from quinoa.launch.machine import embedded_tensorflow

        embedded_tensorflow.import_tensorflow()
        return Evaluation.play(
            self.experiment, self._checkpoint(step), episodes, seeds=seeds, sample=sample
        )

    def video(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        episodes: int = 4,
        length: int = 1000,
        size: int = 240,
        seed: int = 0,
        sample: bool = False,
        step: int | None = None,
    ) -> Video:
        """Films the policy, as `quinoa video` does; a notebook shows what this returns.

        Args:
            out: the video's file, ending in .mp4 or .gif; by default both, in the run's folder.
            episodes: to film, side by side.
            length: actions after which episodes that are not over are left.
            size: height of each episode's picture in pixels.
            seed: of the environments and the actions.
            sample: with sampled actions rather than the policy's mode.
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Raises:
            ExperimentError: the environment cannot be made or drawn, or a file not written.
            RunError: there is no checkpoint, or it is damaged.
        """
        flags = [f"--episodes={episodes}", f"--length={length}", f"--size={size}"]
        flags += [f"--seed={seed}", f"--sample={str(sample).lower()}"]
        if out is not None:
            flags.append(f"--out={os.path.abspath(out)}")
        if step is not None:
            flags.append(f"--checkpoint={step}")
        return Video.film(self._folder, self.given_environment, flags)

    def export(self, out: str | os.PathLike[str], *, step: int | None = None) -> Path:
        """Takes the policy out of this project, as `quinoa export` does.

        Args:
            out: the folder to make.
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Returns:
            The folder.

        Raises:
            ExperimentError: the folder cannot be made.
            RunError: there is no checkpoint, or it is damaged.
        """
        from quinoa.launch.machine import embedded_tensorflow

        embedded_tensorflow.import_tensorflow()
        from quinoa.launch.commands.export import check_new
        from quinoa.launch.trained import export

        folder = Path(out)
        check_new(folder)
        try:
            export.export(self._folder, self.experiment, self._checkpoint(step), folder)
        except OSError as error:
            raise ExperimentError(f"{out} cannot be written: {error.strerror or error}.") from error
        return folder

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

    def _checkpoint(self, step: int | None) -> Checkpoint:
        from quinoa.launch.checkpoints import learner_checkpoints

        return learner_checkpoints.chosen(self._folder.checkpoints, step)[0]


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
