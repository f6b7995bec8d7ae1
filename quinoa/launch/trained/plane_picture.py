"""Draws an agent in a plane: its trajectories, and in some places Q of actions and samples of them.

As Figure 1 of Haarnoja et al. (2017). It is for tasks whose observation begins with a position in a
plane, and whose action has two numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis import tables
from quinoa.launch.analysis.plots import COLOURS, literal, save
from quinoa.launch.errors import ExperimentError
from quinoa.launch.run.roles import Role
from quinoa.launch.trained.evaluate import load_agent

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

FloatArray = npt.NDArray[np.float32]

# Points per side of the grid that Q is drawn on, and samples that are drawn over it.
_GRID = 41
_SAMPLES = 100
# The side of one panel, in inches.
_PANEL = 3.2


class Trained(NamedTuple):
    """A run's agent at a checkpoint."""

    experiment: Experiment
    checkpoint: Checkpoint


class Walk(NamedTuple):
    """One episode.

    Attributes:
        positions: float32 [T + 1, 2], from its start to its end.
        episode_return: its undiscounted return.
    """

    positions: FloatArray
    episode_return: float


def draw_plane(
    runs: Mapping[str, Trained],
    path: Path,
    *,
    points: Sequence[Sequence[float]],
    num_episodes: int,
    seed: int = 0,
    table: Path | None = None,
) -> Path:
    """Draws agents to a file, a row each: trajectories, then Q and samples of actions at points.

    Args:
        runs: by label.
        path: the picture's file; its ending is the format.
        points: whole observations.
        num_episodes: of each agent, with sampled actions.
        seed: of the actions.
        table: a CSV file of where each episode ended, with its return.

    Raises:
        RunError: a checkpoint is damaged, or does not fit its experiment.
        ExperimentError: a task is not one in a plane.
    """
    from matplotlib.figure import Figure as Picture

    width, height = _PANEL * (1 + len(points)), _PANEL * len(runs)
    picture = Picture(figsize=(width, height), layout="constrained")
    rows = picture.subplots(len(runs), 1 + len(points), squeeze=False)
    ends: list[tuple[Any, ...]] = []
    for axes, (label, trained) in zip(rows, runs.items(), strict=True):
        agent = load_agent(*trained)
        found = walks(agent, trained.experiment, num_episodes, seed=seed)
        ends += [(label, *walk.positions[-1], walk.episode_return) for walk in found]
        axes[0].set_title(literal(label))
        for walk in found:
            axes[0].plot(*walk.positions.T, color=COLOURS[0], linewidth=0.5, alpha=0.5)
        for of_point, point in zip(axes[1:], points, strict=True):
            _draw_point(of_point, agent, np.asarray(point, np.float32), seed)
    _show_alike([row[0] for row in rows])
    if table is not None:
        import pandas as pd

        tables.write_table(pd.DataFrame(ends, columns=["line", "x", "y", "return"]), table)
    return save(picture, path)


def _show_alike(panels: Sequence[Any]) -> None:
    """Gives panels of positions one square that has all of them."""
    limits = [end for axes in panels for end in (*axes.get_xlim(), *axes.get_ylim())]
    for axes in panels:
        axes.set(xlim=(min(limits), max(limits)), ylim=(min(limits), max(limits)), aspect="equal")


def walks(agent: Agent, experiment: Experiment, number: int, *, seed: int) -> list[Walk]:
    """Plays episodes with sampled actions, each in an environment of its own.

    Args:
        agent: whose policy acts.
        experiment: of the run.
        number: of episodes.
        seed: of the actions.

    Raises:
        ExperimentError: the task is not one in a plane.
    """
    from quinoa.agents.actor import step_environments
    from quinoa.agents.compiled_policy import CompiledPolicy

    spec = experiment.spec()
    if spec.observations.shape[0] < 2 or spec.actions.shape != (2,):
        raise ExperimentError(
            f"{experiment.environment} is no task in a plane: its observation must begin with a "
            "position, and its action have two numbers."
        )
    with_all = experiment.make_environments(number, Role.EVALUATOR)
    try:
        observation = with_all.reset()
        act = CompiledPolicy(agent.policy).actions(observation.shape, seed=seed, sample=True)
        paths: list[list[FloatArray]] = [[each[:2].copy()] for each in observation]
        returns: list[float | None] = [None] * number
        step = 0
        while None in returns:
            result = step_environments(with_all, act(observation, step))
            for i in [i for i, known in enumerate(returns) if known is None]:
                paths[i].append(result.next_observation[i, :2].copy())
                if result.last[i]:
                    returns[i] = float(result.episode_return[i])
            observation, step = result.observation, step + 1
    finally:
        with_all.close()
    return [Walk(np.stack(p), r) for p, r in zip(paths, returns, strict=True) if r is not None]


def _draw_point(axes: Any, agent: Agent, point: FloatArray, seed: int) -> None:
    """Level curves of Q over actions in one place, where the agent has Q, and samples."""
    import tensorflow as tf

    from quinoa.agents.compiled_policy import CompiledPolicy

    side = np.linspace(-1.0, 1.0, _GRID, dtype=np.float32)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    states = tf.constant(np.tile(point, (len(grid), 1)))
    q = agent.action_value(states, tf.constant(grid))
    if q is not None:
        axes.contour(side, side, q.numpy().reshape(_GRID, _GRID), 20, cmap="coolwarm")
    same = np.tile(point, (_SAMPLES, 1))
    actions = CompiledPolicy(agent.policy).actions(same.shape, seed=seed, sample=True)(same, 0)
    axes.scatter(*actions.T, marker="*", s=12, color=COLOURS[0], zorder=3)
    axes.set_title(f"at ({', '.join(f'{number:g}' for number in point)})")
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(-1.05, 1.05)
    axes.set_aspect("equal")
