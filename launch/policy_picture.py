"""Actions of a policy in one state as a picture, as in Figure 2 of the Quinoa paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from launch import checkpoints
from launch.evaluate import load_policy
from launch.experiment import load
from launch.run_folder import RunFolder

# Points of the density's grid a side.
_GRID = 80
_COLOUR = "#0072B2"


def draw_policy(
    folder: RunFolder, path: Path, *, step: int, num_actions: int = 1000, seed: int = 0
) -> Path:
    """Draws actions of a run's policy in one state, dimension against dimension.

    Dimensions are paired as they come: the first against the second, the third against the fourth,
    and an odd last one against the first. Colour is a kernel density estimate of the points.

    Args:
        folder: of the run; its newest checkpoint is drawn.
        path: where the picture goes; the ending says the format.
        step: which state: the one after this many steps of an episode that the policy plays with
            sampled actions; where the episode ends before, the count goes on in the next.
        num_actions: how many actions to draw.
        seed: of the environment and the actions.

    Raises:
        RunError: the run or its checkpoint is missing or damaged.
    """
    from matplotlib.figure import Figure

    actions = _sample(folder, step, num_actions, seed)
    size = actions.shape[1]
    pairs = [(i, i + 1 if i + 1 < size else 0) for i in range(0, size, 2)]
    figure = Figure(figsize=(4 * len(pairs) + 0.5, 4.4), layout="constrained")
    experiment = load(folder)
    figure.suptitle(
        f"{experiment.agent} on {experiment.environment}: {num_actions} actions in one state"
    )
    for axes, (i, j) in zip(np.atleast_1d(figure.subplots(1, len(pairs))), pairs, strict=True):
        axes.set_xlim(-1.04, 1.04)
        axes.set_ylim(-1.04, 1.04)
        axes.set_aspect("equal")
        axes.set_xlabel(f"action dimension {i + 1}")
        if i == j:
            axes.hist(actions[:, i], bins=50, range=(-1, 1), density=True, color=_COLOUR)
            axes.set_ylabel("density")
            axes.set_ylim(0, None)
            axes.set_aspect("auto")
            continue
        _draw_density(axes, actions[:, i], actions[:, j])
        axes.scatter(actions[:, i], actions[:, j], s=3, color="black", alpha=0.4, linewidths=0)
        axes.set_ylabel(f"action dimension {j + 1}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _draw_density(axes: Any, x: np.ndarray, y: np.ndarray) -> None:
    from scipy.stats import gaussian_kde

    if min(np.std(x), np.std(y)) < 1e-3 or abs(np.corrcoef(x, y)[0, 1]) > 0.9999:
        # A collapsed dimension has no density over the plane; the points tell it all.
        return
    side = np.linspace(-1, 1, _GRID)
    grid = np.stack(np.meshgrid(side, side)).reshape(2, -1)
    density = gaussian_kde(np.stack([x, y]))(grid).reshape(_GRID, _GRID)
    axes.imshow(density, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", alpha=0.8)


def _sample(folder: RunFolder, step: int, num_actions: int, seed: int) -> np.ndarray:
    """Plays to the state and draws actions in it, float32 [num_actions, A]."""
    from agents.actor import action_function

    experiment = load(folder)
    policy = load_policy(experiment, checkpoints.newest(folder.checkpoints))
    environments = experiment.make_environments(1, f"policy-picture-{seed}")
    try:
        observation = environments.reset()
        act = action_function(policy, observation.shape, seed=seed, sample=True)
        for index in range(step):
            result = environments.step(act(observation, index))
            for fault in result.faults:
                raise fault
            observation = result.observation
    finally:
        environments.close()
    states = np.repeat(observation, num_actions, axis=0)
    actions: np.ndarray = action_function(policy, states.shape, seed=seed, sample=True)(states, 0)
    return actions
