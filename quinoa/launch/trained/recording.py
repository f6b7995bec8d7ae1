"""Records what a learned policy does, as a dataset of demonstrations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.demonstrations import minari_datasets, names
from quinoa.demonstrations.episodes import EpisodeRecorder
from quinoa.demonstrations.names import DatasetError
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import MAX_EVALUATION_ENVIRONMENTS
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.trained.evaluate import load_policy, play

if TYPE_CHECKING:
    from quinoa.agents.evaluation import EvaluationResult
    from quinoa.environments import CanonicalEnvironment
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.run_folder import RunFolder


def check_installed() -> None:
    """Raises `ExperimentError` where Minari is not installed; imports nothing of it."""
    try:
        names.require_minari()
    except DatasetError as error:
        raise ExperimentError(str(error)) from error


def record(
    folder: RunFolder,
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    out: Path,
    *,
    sample: bool = False,
    seed: int | None = None,
    on_episodes: Callable[[int], object] | None = None,
) -> EvaluationResult:
    """Plays episodes with the policy of a checkpoint, and writes them in Minari's format.

    Args:
        folder: of the run.
        experiment: of the run, in the environment that is to be played.
        checkpoint: of the run.
        num_episodes: how many episodes.
        out: the folder to make.
        sample: whether to sample actions instead of taking the mode.
        seed: of environments and actions; None is one that follows from the run's.
        on_episodes: called with the number of episodes that have just ended.

    Returns:
        What was played.

    Raises:
        ExperimentError: the environment cannot be made any more; the episodes cannot be written.
        RunError: the checkpoint is damaged, or does not fit the experiment.
        EnvironmentFault: the environment fails too often.
    """
    from quinoa.agents.evaluation import shares

    environment = experiment.make_environment(experiment.seed)
    try:
        env_spec = _gymnasium_spec(environment)
    finally:
        environment.close()
    layout = experiment.known_layout()
    try:
        minari_datasets.check_can_write(layout)
        count = min(num_episodes, MAX_EVALUATION_ENVIRONMENTS)
        recorder = EpisodeRecorder(count)
        result = play(
            load_policy(experiment, checkpoint),
            experiment,
            checkpoint,
            num_episodes,
            "recording" if seed is None else f"recording-{seed}",
            sample=sample,
            on_episodes=on_episodes,
            on_step=recorder.add,
        )
        counts = checkpoint.counts()
        minari_datasets.write(
            out,
            recorder.episodes(shares(num_episodes, count)),
            layout,
            action_repeat=experiment.action_repeat,
            about={
                "run": str(folder.root.resolve()),
                "environment": experiment.environment,
                LEARNER_STEPS: counts.learner_steps,
                ACTOR_STEPS: counts.actor_steps,
                "sample": sample,
                "seed": seed,
            },
            algorithm=experiment.agent,
            description=f"What {experiment.agent} has learned in {experiment.environment}.",
            env_spec=env_spec,
        )
    except DatasetError as error:
        raise ExperimentError(str(error)) from error
    except OSError as error:
        raise ExperimentError(f"{out} cannot be written: {error.strerror or error}.") from error
    return result


def _gymnasium_spec(environment: CanonicalEnvironment) -> Any:
    """Gymnasium's spec of an environment; None where it is none of its, or cannot be written."""
    from quinoa.environments.gymnasium_env import GymnasiumEnvironment

    inner = environment.inner
    if not isinstance(inner, GymnasiumEnvironment):
        return None
    spec = inner.gymnasium_environment.spec
    try:
        # As Minari writes it. One that was registered by its class is no JSON.
        return spec if spec is None or spec.to_json() else None
    except (TypeError, ValueError):
        return None
