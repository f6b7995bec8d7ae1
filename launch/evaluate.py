"""How good the policy of a run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from launch import checkpoints
from launch.errors import RunError
from launch.experiment import MAX_EVALUATION_ENVIRONMENTS, load
from launch.run_folder import RunFolder
from launch.warning_log import WarningLog

if TYPE_CHECKING:
    from agents.evaluation import EvaluationResult
    from agents.protocol import Policy
    from launch.checkpoints import Checkpoint
    from launch.experiment import Experiment


def evaluate_run(
    folder: RunFolder, num_episodes: int, *, sample: bool = False, seed: int | None = None
) -> EvaluationResult:
    """Evaluates the policy of a run's newest checkpoint.

    Args:
        folder: of the run.
        num_episodes: how many.
        sample: with sampled actions rather than the mode.
        seed: of the environments and the actions; by default one that follows from the run's.

    Raises:
        RunError: the run or its checkpoint is missing or damaged.
    """
    experiment = load(folder)
    checkpoint = checkpoints.newest(folder.checkpoints)
    return evaluate_checkpoint(experiment, checkpoint, num_episodes, sample=sample, seed=seed)


def load_policy(experiment: Experiment, checkpoint: Checkpoint) -> Policy:
    """Makes the policy of an experiment with the parameters of a checkpoint.

    Raises:
        RunError: the checkpoint is damaged, or another experiment's.
    """
    from agents import registry
    from agents.learner import unflatten

    parameters = checkpoint.policy_parameters()
    agent = registry.load(experiment.agent).agent_class
    policy = agent.make_policy(experiment.config, experiment.spec())
    try:
        unflatten(policy, parameters)
    except ValueError as error:
        raise RunError(f"The checkpoint {checkpoint.path} does not fit the run: {error}") from error
    return policy


def evaluate_checkpoint(
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    *,
    sample: bool = False,
    seed: int | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> EvaluationResult:
    """Evaluates the policy of one checkpoint; see `evaluate_run` and `agents.evaluation`."""
    from agents.divergence import NonFiniteError
    from agents.evaluation import evaluate

    policy = load_policy(experiment, checkpoint)
    role = "final-evaluation" if seed is None else f"evaluation-{seed}"
    environments = experiment.make_environments(
        min(num_episodes, MAX_EVALUATION_ENVIRONMENTS), role
    )
    try:
        result = evaluate(
            policy,
            environments,
            num_episodes,
            seed=experiment.seed_of(role),
            sample=sample,
            should_stop=should_stop,
        )
    except NonFiniteError as error:
        raise RunError(f"The policy of {checkpoint.path} cannot act: {error}") from error
    finally:
        environments.close()
    warnings = WarningLog("evaluation", None)
    warnings.dropped(result.faults)
    warnings.truncated(result.num_truncated, experiment.max_episode_steps)
    return result
