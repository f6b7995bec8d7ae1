"""Draws a policy in given states: samples, as Figure 2 of the Quinoa paper, or probabilities."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis import tables
from quinoa.launch.analysis.plots import COLOURS, fit, literal
from quinoa.launch.errors import ExperimentError
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say
from quinoa.launch.trained.action_probabilities import probabilities_and_value
from quinoa.launch.trained.evaluate import load_agent, load_policy

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.agents.protocol import Agent, Policy
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

# The most states in one picture.
MAX_STATES = 8
# Points per side of the density's grid.
_GRID = 80
_COLOUR = COLOURS[0]
# The side of one panel, in inches.
_PANEL = 4.0


class LabelledState(NamedTuple):
    """A state in which to sample the policy.

    Attributes:
        label: its label in the picture.
        observation: float32 [O].
    """

    label: str
    observation: npt.NDArray[np.float32]


class SampledActions(NamedTuple):
    """Samples of a policy in one state.

    Attributes:
        label: the state's label.
        actions: float32 [number, A]; int32 [number] of a finite set of actions.
        num_bins: the bins per dimension if actions lie on a grid over [-1, 1], or how many actions
            there are in a finite set; else None.
        probabilities: π(a|s), float32 [n], of each of a finite set of n actions; None if the policy
            has no density, and for actions from a box.
        value: V(s) of the agent; None if it has none, and for actions from a box.
    """

    label: str
    actions: npt.NDArray[np.float32]
    num_bins: int | None
    probabilities: npt.NDArray[np.float32] | None = None
    value: float | None = None


def draw_policy(
    experiment: Experiment,
    checkpoint: Checkpoint,
    path: Path,
    *,
    steps: Sequence[int] = (),
    states: Sequence[LabelledState] = (),
    num_actions: int = 1000,
    seed: int = 0,
    table: Path | None = None,
) -> Path:
    """Draws a policy in given states, with a row for each state.

    Of a finite set of actions, the bars are π(a|s), or the shares of sampled actions if the policy
    has no density, and V(s) stands above them.

    Actions from a box are sampled, and drawn as scatter plots of pairs of dimensions. Dimensions
    are paired in order: the first with the second, the third with the fourth, and an odd last one
    with the first. The colour is a kernel density estimate; if actions lie on a grid, each cell is
    coloured by its share of the actions.

    Args:
        experiment: the run's experiment.
        checkpoint: the checkpoint whose policy to sample.
        path: the picture's file; its ending is the format.
        steps: states to draw: those after these numbers of steps of an episode with sampled
            actions. If the episode ends earlier, its last state with an action is drawn, with a
            note.
        states: further states to draw.
        num_actions: how many actions to sample in each state.
        seed: the seed of the environment and the actions.
        table: a CSV file for the actions, a row each: its state's label, and its dimensions.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: a given state does not fit the environment.
    """
    agent: Agent | None = None
    if experiment.known_layout().number_of_actions is None:
        policy = load_policy(experiment, checkpoint)
    else:
        agent = load_agent(experiment, checkpoint)
        policy = agent.policy
    drawn = _sample(experiment, policy, steps, states, num_actions, seed, agent)
    what = f"{num_actions} actions" if drawn[0].probabilities is None else "π(a|s)"
    if table is not None:
        tables.write_table(_tabulated(drawn), table)
    return _draw(
        drawn,
        f"{experiment.agent} on {experiment.environment}: {what} in "
        f"{'one state' if len(drawn) == 1 else 'each state'}",
        path,
    )


def read_states(path: Path) -> list[LabelledState]:
    """Reads states from a `.npy` file, or from lists in a `.json` file: [O] or [S, O].

    Raises:
        ExperimentError: the file is missing, or is not of that form.
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
        return [LabelledState(path.name, values[0])]
    return [LabelledState(f"{path.name}[{i}]", value) for i, value in enumerate(values)]


def _sample(
    experiment: Experiment,
    policy: Policy,
    steps: Sequence[int],
    states: Sequence[LabelledState],
    num_actions: int,
    seed: int,
    agent: Agent | None = None,
) -> list[SampledActions]:
    """Plays an episode up to the steps, and samples actions in each state.

    With the agent of a policy for a finite set of actions, V(s) and all probabilities are added.
    """
    import tensorflow as tf

    from quinoa.agents.compiled_policy import CompiledPolicy

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
        act = CompiledPolicy(policy).actions(repeated.shape, seed=seed, sample=True)
        actions = act(repeated, 0)
        bins = getattr(policy(tf.constant(state.observation[None])), "num_bins", None)
        if actions.ndim == 1:
            bins = experiment.spec().actions.num_values
        drawn.append(SampledActions(state.label, actions, bins))
        if agent is not None:
            number = experiment.spec().actions.num_values
            exact, value = probabilities_and_value(agent, state.observation, number)
            drawn[-1] = drawn[-1]._replace(probabilities=exact, value=value)
    return drawn


def _tabulated(drawn: Sequence[SampledActions]) -> pd.DataFrame:
    """A row for each action: `state`, and `action_1` to `action_A`, or `action` of a finite set."""
    import pandas as pd

    parts = []
    for of_state in drawn:
        if of_state.actions.ndim == 1:
            part = pd.DataFrame({"action": of_state.actions})
        else:
            size = of_state.actions.shape[1]
            part = pd.DataFrame(of_state.actions, columns=[f"action_{i + 1}" for i in range(size)])
        part.insert(0, "state", of_state.label)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _played(
    experiment: Experiment, policy: Policy, steps: Sequence[int], seed: int
) -> list[LabelledState]:
    from quinoa.agents.compiled_policy import CompiledPolicy

    if not steps:
        return []
    environments = experiment.make_environments(1, f"policy-picture-{seed}")
    found = {}
    try:
        observation = environments.reset()
        act = CompiledPolicy(policy).actions(observation.shape, seed=seed, sample=True)
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
    return [LabelledState(f"step {step}", found[step]) for step in sorted(found)]


def _draw(drawn: Sequence[SampledActions], title: str, path: Path) -> Path:
    from matplotlib.figure import Figure

    # One of a finite set of actions has no dimensions, and a single panel.
    size = drawn[0].actions.shape[1] if drawn[0].actions.ndim > 1 else 1
    pairs = [(i, i + 1 if i + 1 < size else 0) for i in range(0, size, 2)]
    figure = Figure(
        figsize=(_PANEL * len(pairs) + 1.2, _PANEL * len(drawn) + 0.4), layout="constrained"
    )
    fit(figure.suptitle(literal(title)), figure.bbox.width)
    grid = figure.subplots(len(drawn), len(pairs), squeeze=False)
    for row, of_state in zip(grid, drawn, strict=True):
        for index, (axes, (i, j)) in enumerate(zip(row, pairs, strict=True)):
            _draw_pair(axes, of_state, i, j)
            heading = [of_state.label] * (len(drawn) > 1)
            if of_state.value is not None:
                heading.append(f"V(s) = {of_state.value:.4g}")
            if heading and index == 0:
                # The labels beside the panel take a fifth of its width.
                title_of_row = axes.set_title(literal(": ".join(heading)), loc="left")
                fit(title_of_row, 0.8 * _PANEL * figure.dpi)
    # One colour bar, as the colours of cells mean the same in all panels.
    images = [axes.images[0] for axes in grid.flat if axes.images]
    if images and drawn[0].num_bins is not None:
        figure.colorbar(images[0], ax=grid, label="share of the actions", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path


def _draw_pair(axes: Any, drawn: SampledActions, i: int, j: int) -> None:
    if drawn.actions.ndim == 1:
        assert drawn.num_bins is not None
        shares: npt.NDArray[Any] | None = drawn.probabilities
        if shares is None:
            shares = np.bincount(drawn.actions, minlength=drawn.num_bins) / len(drawn.actions)
        axes.bar(np.arange(drawn.num_bins), shares, color=_COLOUR)
        axes.set_xlabel("action")
        axes.set_ylabel("share of the actions")
        axes.set_ylim(0, None)
        axes.locator_params(axis="x", integer=True)
        return
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
        # A collapsed dimension has no density over the plane; only the points are drawn.
        return
    side = np.linspace(-1, 1, _GRID)
    grid = np.stack(np.meshgrid(side, side)).reshape(2, -1)
    density = gaussian_kde(np.stack([x, y]))(grid).reshape(_GRID, _GRID)
    axes.imshow(density, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", alpha=0.8)


def _draw_cells(
    axes: Any, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], num_bins: int, edge: float
) -> None:
    """Colours cells by their share of the actions; empty cells stay white."""
    from matplotlib.colors import LogNorm

    counts, sides, _ = np.histogram2d(x, y, bins=num_bins, range=[[-edge, edge], [-edge, edge]])
    axes.imshow(
        np.ma.masked_equal(counts.T / len(x), 0.0),
        origin="lower",
        extent=(-edge, edge, -edge, edge),
        cmap="Blues",
        # A scale on which one action in a thousand still differs from white.
        norm=LogNorm(vmin=0.2 / len(x), vmax=1.0),
    )
    for side in sides[1:-1]:
        axes.axvline(side, color="0.9", linewidth=0.5)
        axes.axhline(side, color="0.9", linewidth=0.5)


def _shares(x: npt.NDArray[np.float32], num_bins: int) -> npt.NDArray[np.float64]:
    """The share of the actions in each bin of a grid over [-1, 1], [num_bins]."""
    bins = np.rint((x + 1.0) * 0.5 * (num_bins - 1)).astype(int)
    return np.bincount(bins, minlength=num_bins) / len(x)
