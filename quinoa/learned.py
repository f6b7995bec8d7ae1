"""What a run has learned: its checkpoints and policy, and what can be made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa import paths
from quinoa.evaluation import Evaluation
from quinoa.launch.errors import ExperimentError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.video import Video

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource
    from quinoa.irl.prediction import Prediction
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.policy import Policy


class Learned:
    """What `quinoa.run.Run` offers of what was learned."""

    _folder: RunFolder
    given_environment: EnvironmentSource | None

    @property
    def experiment(self) -> Experiment:
        """What is run, whole."""
        from quinoa.launch.experiment import saved
        from quinoa.launch.machine import embedded_tensorflow

        with embedded_tensorflow.tensorflow_may_be_imported():
            return saved.load(self._folder, self.given_environment)

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

    def predict(
        self,
        seen: Sequence[int],
        prior: Mapping[int, float] | None = None,
        *,
        top: int = 5,
        step: int | None = None,
    ) -> Prediction:
        """Predicts where a route leads, as `quinoa predict` does, if it has learned from routes.

        Args:
            seen: the states of the route so far, or the one where it begins.
            prior: of each destination that is possible its probability, or in proportion to it;
                by default how often the routes that were learned from end there.
            top: destinations to give the way to, the most probable ones.
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Raises:
            RunError: the run has not learned from routes, or there is no checkpoint, or it is
                damaged.
            RouteGraphError: what was seen is no path, or leads to no destination.
        """
        from quinoa.irl.prediction import predict
        from quinoa.launch.trained import weights

        model = weights.load_route_model(self._folder, step)
        return predict(model, seen, prior, most=top)

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
            flags.append(f"--out={paths.absolute(out)}")
        if step is not None:
            flags.append(f"--checkpoint={step}")
        return Video.film(self._folder, self.given_environment, flags)

    def record(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        episodes: int = 10,
        seed: int | None = None,
        sample: bool = False,
        step: int | None = None,
    ) -> Path:
        """Records what the policy does, as `quinoa record` does.

            run.record(episodes=20)
            quinoa.train("sac", env="gym:Pendulum-v1", demonstrations=f"run:{run.path}")

        Args:
            out: the folder to make; by default `demonstrations-v0` in the run's.
            episodes: how many.
            seed: of the environments and the actions; None is one that follows from the run's.
            sample: with sampled actions rather than the policy's mode.
            step: the checkpoint, by its number of gradient steps; None is the newest.

        Returns:
            The folder, a dataset of Minari.

        Raises:
            ExperimentError: Minari is not installed, the environment cannot be made, or the folder
                is not empty or cannot be written.
            RunError: there is no checkpoint, or it is damaged.
            EnvironmentFault: the environment fails too often.
        """
        if episodes < 1:
            raise ValueError(f"episodes = {episodes} cannot work: it must be at least 1.")
        from quinoa.launch.commands.export import check_new
        from quinoa.launch.machine import embedded_tensorflow
        from quinoa.launch.trained import recording

        folder = self._folder.demonstrations if out is None else Path(paths.absolute(out))
        check_new(folder)
        recording.check_installed()
        embedded_tensorflow.import_tensorflow()
        recording.record(
            self._folder,
            self.experiment,
            self._checkpoint(step),
            episodes,
            folder,
            sample=sample,
            seed=seed,
        )
        return folder

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

        folder = Path(paths.absolute(out))
        check_new(folder)
        try:
            export.export(self._folder, self.experiment, self._checkpoint(step), folder)
        except OSError as error:
            raise ExperimentError(f"{out} cannot be written: {error.strerror or error}.") from error
        return folder

    def _checkpoint(self, step: int | None) -> Checkpoint:
        from quinoa.launch.checkpoints import learner_checkpoints

        return learner_checkpoints.chosen(self._folder.checkpoints, step)[0]
