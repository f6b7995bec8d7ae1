"""Loads the policy of a checkpoint, and evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quinoa.launch.errors import RunError
from quinoa.launch.experiment import MAX_EVALUATION_ENVIRONMENTS
from quinoa.launch.roles.role_warnings import RoleWarnings, UnendedEpisodes
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS

if TYPE_CHECKING:
    from quinoa.agents.evaluation import EvaluationResult
    from quinoa.agents.protocol import Agent, Policy
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.run_folder import RunFolder


def load_policy(experiment: Experiment, checkpoint: Checkpoint) -> Policy:
    """Makes the policy of an experiment, with the parameters of a checkpoint.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: the environment cannot be made any more.
    """
    from quinoa.agents import initialization
    from quinoa.agents.parameter_vector import unflatten

    parameters = checkpoint.policy_parameters()
    agent_class = experiment.agent_class()
    with initialization.alone():
        policy = agent_class.make_policy(experiment.learner_config, experiment.spec())
    try:
        unflatten(policy, parameters)
    except ValueError as error:
        raise RunError(f"The checkpoint {checkpoint.path} does not fit the run: {error}") from error
    return policy


def load_agent(experiment: Experiment, checkpoint: Checkpoint) -> Agent:
    """Makes the agent of an experiment, with all variables of a checkpoint.

    Its policy is the one that is evaluated: see `Learner.evaluation_parameters`.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: the environment cannot be made any more.
    """
    from quinoa.agents.learner import Learner
    from quinoa.agents.learner_checkpoint import CheckpointError
    from quinoa.agents.parameter_vector import unflatten

    learner = Learner(
        experiment.agent_class(),
        experiment.learner_config,
        experiment.spec(),
        experiment.seed,
        gradient_steps=experiment.gradient_steps,
    )
    try:
        learner.restore(checkpoint.learner_prefix)
    except CheckpointError as error:
        raise RunError(str(error)) from error
    if learner.has_average:
        unflatten(learner.agent.policy, learner.evaluation_parameters())
    return learner.agent


def evaluate_checkpoint(
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    *,
    sample: bool = False,
    should_stop: Callable[[], bool] | None = None,
    on_episodes: Callable[[int], object] | None = None,
) -> EvaluationResult:
    """Evaluates the policy of a checkpoint, with a seed that follows from the run's.

    Args:
        experiment: the run's experiment.
        checkpoint: the checkpoint.
        num_episodes: how many episodes to play.
        sample: whether to sample actions instead of taking the mode.
        should_stop: asked at each step whether to stop; see `quinoa.agents.evaluation`.
        on_episodes: called with the number of episodes that have just ended.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: the environment cannot be made any more.
    """
    policy = load_policy(experiment, checkpoint)
    return play(
        policy,
        experiment,
        checkpoint,
        num_episodes,
        _role(None),
        sample=sample,
        should_stop=should_stop,
        on_episodes=on_episodes,
    )


def evaluate_seeds(
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    *,
    sample: bool = False,
    seeds: Sequence[int | None] = (None,),
    on_episodes: Callable[[int], object] | None = None,
) -> list[EvaluationResult]:
    """Evaluates the policy of a checkpoint, once for each seed.

    Args:
        experiment: the run's experiment.
        checkpoint: the checkpoint.
        num_episodes: how many episodes to play for each seed.
        sample: whether to sample actions instead of taking the mode.
        seeds: seeds of the environments and actions; None is one that follows from the run's.
        on_episodes: called with the number of episodes that have just ended.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: the environment cannot be made any more.
    """
    policy = load_policy(experiment, checkpoint)
    return [
        play(
            policy,
            experiment,
            checkpoint,
            num_episodes,
            _role(seed),
            sample=sample,
            on_episodes=on_episodes,
        )
        for seed in seeds
    ]


def kind_of_actions(experiment: Experiment, *, sample: bool) -> str:
    """What an evaluation's actions are, in words."""
    if sample:
        return "sampled actions"
    chosen = getattr(experiment.learner_config, "deterministic_action", "mode")
    return f"the policy's {chosen}"


def report(
    folder: RunFolder,
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    *,
    sample: bool,
    seeds: Sequence[int | None],
    results: Sequence[EvaluationResult],
) -> dict[str, Any]:
    """The results of `evaluate_seeds`, with their settings, as a JSON-able object.

    `mean` and `std` (the population's, dividing by N) are over all episodes, `mean_by_seed` is in
    the order of `settings.seeds`.
    """
    counts = checkpoint.counts()
    returns = np.concatenate([result.returns for result in results])
    return {
        "run": str(folder.root.resolve()),
        "agent": experiment.agent,
        "environment": experiment.environment,
        "checkpoint": {
            "path": str(checkpoint.path.resolve()),
            LEARNER_STEPS: counts.learner_steps,
            ACTOR_STEPS: counts.actor_steps,
        },
        "settings": {
            "episodes": num_episodes,
            "seeds": list(seeds),
            "sample": sample,
            "deterministic_action": getattr(
                experiment.learner_config, "deterministic_action", None
            ),
            "action_repeat": experiment.action_repeat,
            "max_episode_steps": experiment.max_episode_steps,
        },
        "mean": float(returns.mean()),
        "std": float(returns.std()),
        "mean_by_seed": [float(result.returns.mean()) for result in results],
        "episodes": [
            {"seed": seed, "return": float(value), "length": int(length)}
            for seed, result in zip(seeds, results, strict=True)
            for value, length in zip(result.returns, result.lengths, strict=True)
        ],
        "dropped_episodes": sum(len(result.faults) for result in results),
        "truncated_episodes": sum(result.num_truncated for result in results),
    }


def play(
    policy: Policy,
    experiment: Experiment,
    checkpoint: Checkpoint,
    num_episodes: int,
    role: str,
    *,
    sample: bool,
    should_stop: Callable[[], bool] | None = None,
    on_episodes: Callable[[int], object] | None = None,
    on_step: Callable[..., object] | None = None,
) -> EvaluationResult:
    """Plays episodes with a policy that was loaded, and says what went wrong in them.

    Args:
        policy: of the checkpoint.
        experiment: the run's experiment.
        checkpoint: the checkpoint.
        num_episodes: how many episodes to play, in at most `MAX_EVALUATION_ENVIRONMENTS`
            environments.
        role: what the episodes are for, from which with the run's seed all that is random follows.
        sample: whether to sample actions instead of taking the mode.
        should_stop: see `quinoa.agents.evaluation`, as for the others.
        on_episodes: called with the number of episodes that have just ended.
        on_step: called after each step.

    Raises:
        RunError: the policy's actions are not finite.
        ExperimentError: the environment cannot be made any more.
        EnvironmentFault: the environment fails too often.
    """
    from quinoa.agents.compiled_policy import CompiledPolicy
    from quinoa.agents.evaluation import evaluate
    from quinoa.agents.types import NonFiniteError

    environments = experiment.make_environments(
        min(num_episodes, MAX_EVALUATION_ENVIRONMENTS), role
    )
    warnings = RoleWarnings("evaluation", None)
    unended = UnendedEpisodes(warnings, experiment.max_episode_steps)

    def watch(*of_step: Any) -> None:
        unended(*of_step)
        if on_step is not None:
            on_step(*of_step)

    try:
        result = evaluate(
            CompiledPolicy(policy),
            environments,
            num_episodes,
            seed=experiment.seed_of(role),
            sample=sample,
            should_stop=should_stop,
            on_episodes=on_episodes,
            on_step=watch,
        )
    except NonFiniteError as error:
        raise RunError(f"The policy of {checkpoint.path} cannot act: {error}") from error
    finally:
        environments.close()
    warnings.dropped(result.faults)
    warnings.truncated(result.num_truncated, experiment.max_episode_steps)
    return result


def _role(seed: int | None) -> str:
    return "final-evaluation" if seed is None else f"evaluation-{seed}"
