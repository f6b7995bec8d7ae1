"""Actions of a policy in given states as a picture, as in Figure 2 of the Quinoa paper."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis.plots import COLOURS, fit, literal
from quinoa.launch.errors import ExperimentError
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say
from quinoa.launch.trained.evaluate import load_policy

if TYPE_CHECKING:
    from quinoa.agents.protocol import Policy
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

# States in one picture, at most.
MAX_STATES = 8
# Points of the density's grid a side.
_GRID = 80
_COLOUR = COLOURS[0]
# The side of one panel, in inches.
_PANEL = 4.0


class State(NamedTuple):
    """A state to draw the policy in.

    Attributes:
        label: what the picture calls it.
        observation: float32 [O].
    """

    label: str
    observation: npt.NDArray[np.float32]


class Drawn(NamedTuple):
    """Actions of a policy in one state.

    Attributes:
        label: of the state.
        actions: float32 [number, A].
        num_bins: of each dimension, where actions are from a grid over [-1, 1]; else None.
    """

    label: str
    actions: npt.NDArray[np.float32]
    num_bins: int | None


def draw_policy(
    experiment: Experiment,
    checkpoint: Checkpoint,
    path: Path,
    *,
    steps: Sequence[int] = (),
    states: Sequence[State] = (),
    num_actions: int = 1000,
    seed: int = 0,
) -> Path:
    """Draws actions of a run's policy in states, dimension against dimension, a row for each state.

    Dimensions are paired as they come: the first against the second, the third against the fourth,
    and an odd last one against the first. Colour is a kernel density estimate of the points; of a
    policy whose actions are from a grid, each cell has the colour of its share of the actions.

    Args:
        experiment: of the run.
        checkpoint: of the run.
        path: where the picture goes; the ending says the format.
        steps: states: those after so many steps of an episode that the policy plays with sampled
            actions; where the episode ends before, its last in which there is an action, with a
            note.
        states: states that are given, drawn after those.
        num_actions: how many actions to draw in each.
        seed: of the environment and the actions.

    Raises:
        RunError: the checkpoint is damaged, or another experiment's.
        ExperimentError: a state that is given does not fit the environment.
    """
    policy = load_policy(experiment, checkpoint)
    drawn = _sample(experiment, policy, steps, states, num_actions, seed)
    return _draw(
        drawn,
        f"{experiment.agent} on {experiment.environment}: {num_actions} actions in "
        f"{'one state' if len(drawn) == 1 else 'each state'}",
        path,
    )


def read_states(path: Path) -> list[State]:
    """Reads states from a file: [O] or [S, O], `.npy` or a list in `.json`.

    Raises:
        ExperimentError: the file is missing, holds something else, or too many states.
    """
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix.lower() == ".json":
            values = np.array(json.loads(path.read_text(encoding="utf-8")), np.float64)
        else:
            raise ValueError("it must end in .npy or .json")
        values = np.asarray(values, np.float32)
    except (OSError, EOFError, ValueError, TypeError, RecursionError) as error:
        what = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise ExperimentError(f"The observations in {path} cannot be read: {what}.") from error
    if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
        raise ExperimentError(
            f"The observations in {path} must be finite numbers, [O] or [S, O]; they are "
            f"{list(values.shape)}."
        )
    values = np.atleast_2d(values)
    if len(values) == 1:
        return [State(path.name, values[0])]
    return [State(f"{path.name}[{i}]", value) for i, value in enumerate(values)]


def _sample(
    experiment: Experiment,
    policy: Policy,
    steps: Sequence[int],
    states: Sequence[State],
    num_actions: int,
    seed: int,
) -> list[Drawn]:
    """Plays to the states and draws actions in each."""
    import tensorflow as tf

    from quinoa.agents.actor import action_function

    size = experiment.spec().observations.shape[0]
    for state in states:
        if state.observation.shape != (size,):
            raise ExperimentError(
                f"An observation of {experiment.environment} has {size} numbers, and {state.label} "
                f"{len(state.observation)}."
            )
    drawn = []
    for state in (*_played(experiment, policy, steps, seed), *states):
        repeated = np.repeat(state.observation[None], num_actions, axis=0)
        actions = action_function(policy, repeated.shape, seed=seed, sample=True)(repeated, 0)
        bins = getattr(policy(tf.constant(state.observation[None])), "num_bins", None)
        drawn.append(Drawn(state.label, actions, bins))
    return drawn


def _played(experiment: Experiment, policy: Policy, steps: Sequence[int], seed: int) -> list[State]:
    from quinoa.agents.actor import action_function

    if not steps:
        return []
    environments = experiment.make_environments(1, f"policy-picture-{seed}")
    found = {}
    try:
        observation = environments.reset()
        act = action_function(policy, observation.shape, seed=seed, sample=True)
        for index in range(max(steps) + 1):
            if index in steps:
                found[index] = observation[0].copy()
            if index == max(steps):
                break
            result = environments.step(act(observation, index))
            for fault in result.faults:
                raise fault
            if result.last[0]:
                beyond = ", ".join(str(step) for step in steps if step > index)
                say(
                    f"quinoa: note: the episode is over after {count(index + 1, 'step')}, and has "
                    f"no step {beyond}: its last action is drawn instead, at step {index}.",
                    sys.stderr,
                )
                found[index] = observation[0].copy()
                break
            observation = result.observation
    finally:
        environments.close()
    return [State(f"step {step}", found[step]) for step in sorted(found)]


def _draw(drawn: Sequence[Drawn], title: str, path: Path) -> Path:
    from matplotlib.figure import Figure

    size = drawn[0].actions.shape[1]
    pairs = [(i, i + 1 if i + 1 < size else 0) for i in range(0, size, 2)]
    figure = Figure(
        figsize=(_PANEL * len(pairs) + 1.2, _PANEL * len(drawn) + 0.4), layout="constrained"
    )
    fit(figure.suptitle(literal(title)), figure.bbox.width)
    grid = figure.subplots(len(drawn), len(pairs), squeeze=False)
    for row, of_state in zip(grid, drawn, strict=True):
        for index, (axes, (i, j)) in enumerate(zip(row, pairs, strict=True)):
            _draw_pair(axes, of_state, i, j)
            if len(drawn) > 1 and index == 0:
                # Its panel's own width is less by what is beside it.
                fit(axes.set_title(literal(of_state.label), loc="left"), 0.8 * _PANEL * figure.dpi)
    # Of all cells, whose colours mean the same in each panel.
    images = [axes.images[0] for axes in grid.flat if axes.images]
    if images and drawn[0].num_bins is not None:
        figure.colorbar(images[0], ax=grid, label="share of the actions", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _draw_pair(axes: Any, drawn: Drawn, i: int, j: int) -> None:
    edge = 1.04 if drawn.num_bins is None else 1.0 + 1.0 / (drawn.num_bins - 1)
    axes.set_xlim(-edge, edge)
    axes.set_xlabel(f"action dimension {i + 1}")
    x, y = drawn.actions[:, i], drawn.actions[:, j]
    if i == j:
        if drawn.num_bins is None:
            axes.hist(x, bins=50, range=(-1, 1), density=True, color=_COLOUR)
            axes.set_ylabel("density")
        else:
            shares = _shares(x, drawn.num_bins)
            places = np.linspace(-1, 1, drawn.num_bins)
            axes.bar(places, shares, width=1.6 / (drawn.num_bins - 1), color=_COLOUR)
            axes.set_ylabel("share of the actions")
        axes.set_ylim(0, None)
        return
    axes.set_ylim(-edge, edge)
    axes.set_aspect("equal")
    axes.set_ylabel(f"action dimension {j + 1}")
    if drawn.num_bins is not None:
        _draw_cells(axes, x, y, drawn.num_bins, edge)
        return
    _draw_density(axes, x, y)
    axes.scatter(x, y, s=3, color="black", alpha=0.4, linewidths=0)


def _draw_density(axes: Any, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> None:
    from scipy.stats import gaussian_kde

    if min(np.std(x), np.std(y)) < 1e-3 or abs(np.corrcoef(x, y)[0, 1]) > 0.9999:
        # A collapsed dimension has no density over the plane; the points tell it all.
        return
    side = np.linspace(-1, 1, _GRID)
    grid = np.stack(np.meshgrid(side, side)).reshape(2, -1)
    density = gaussian_kde(np.stack([x, y]))(grid).reshape(_GRID, _GRID)
    axes.imshow(density, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", alpha=0.8)


def _draw_cells(
    axes: Any, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], num_bins: int, edge: float
) -> None:
    """Colours the cells by their share of the actions; those without any stay white."""
    from matplotlib.colors import LogNorm

    counts, sides, _ = np.histogram2d(x, y, bins=num_bins, range=[[-edge, edge], [-edge, edge]])
    axes.imshow(
        np.ma.masked_equal(counts.T / len(x), 0.0),
        origin="lower",
        extent=(-edge, edge, -edge, edge),
        cmap="Blues",
        # One action is to be seen beside a thousand, and beside white.
        norm=LogNorm(vmin=0.2 / len(x), vmax=1.0),
    )
    for side in sides[1:-1]:
        axes.axvline(side, color="0.9", linewidth=0.5)
        axes.axhline(side, color="0.9", linewidth=0.5)


def _shares(x: npt.NDArray[np.float32], num_bins: int) -> npt.NDArray[np.float64]:
    """The share of the actions in each bin of a grid over [-1, 1], [num_bins]."""
    bins = np.rint((x + 1.0) * 0.5 * (num_bins - 1)).astype(int)
    return np.bincount(bins, minlength=num_bins) / len(x)
