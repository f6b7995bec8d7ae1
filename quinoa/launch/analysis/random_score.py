"""The score of random actions, which is 0 % of a normalised score."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from quinoa.launch.analysis.run_groups import ConfiguredRun
from quinoa.launch.errors import RunError

EPISODES = 10


def random_score_of(run: ConfiguredRun) -> float:
    """The score of random actions in the environment of a run, as the run was configured.

    Raises:
        RunError: the environment cannot be made or stepped.
    """
    return random_score(
        run.environment,
        env_kwargs=run.settings.get("env_kwargs"),
        action_repeat=run.settings.get("action_repeat", 1),
        max_episode_steps=run.settings.get("max_episode_steps", 100_000),
    )


def random_score(
    environment: str,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    action_repeat: int = 1,
    max_episode_steps: int = 100_000,
    num_episodes: int = EPISODES,
) -> float:
    """The mean return of episodes with actions uniform in [-1, 1]^A; deterministic.

    Args:
        environment: a name that `quinoa.environments.make` accepts.
        env_kwargs: keyword arguments of the environment's constructor.
        action_repeat: environment steps that each action lasts.
        max_episode_steps: actions after which an episode is cut off.
        num_episodes: how many episodes to average over.

    Raises:
        RunError: the environment cannot be made or stepped.
    """
    from quinoa import environments
    from quinoa.environments.action_map import uniform_actions

    rng = np.random.default_rng(0)
    start = Path.cwd()
    try:
        batch = environments.EnvironmentBatch(
            [
                environments.make(
                    environment, seed, action_repeat=action_repeat, arguments=env_kwargs
                )
                for seed in environments.draw_seeds(np.random.SeedSequence(0), num_episodes)
            ],
            max_episode_steps=max_episode_steps,
        )
        try:
            batch.reset()
            spec = batch.environments[0].action_spec()
            returns = np.full(num_episodes, np.nan)
            while np.isnan(returns).any():
                step = batch.step(uniform_actions(spec, rng, num_episodes))
                # Only the first episode of each environment: short ones would count more often.
                is_first = step.last & np.isnan(returns)
                returns[is_first] = step.episode_return[is_first]
        finally:
            batch.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise RunError(
            f"Random actions cannot be tried on {environment} ({type(error).__name__}: {error}): "
            "give a file of scores that says theirs, --baseline=FILE."
        ) from error
    finally:
        # The environment's code may have changed the folder that relative paths start from.
        os.chdir(start)
    return float(returns.mean())
