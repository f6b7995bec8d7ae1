"""Draws the panels of a policy's picture: samples, probabilities and values of actions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis.plots import COLOURS, fit, literal
from quinoa.launch.trained.action_probabilities import OfEachAction

# Points per side of the density's grid.
_GRID = 80
_COLOUR = COLOURS[0]
# The side of one panel, in inches.
_PANEL = 4.0
# In place of a pair of dimensions, where a panel is of Q(s, a).
_ACTION_VALUES = (-1, -1)


class SampledActions(NamedTuple):
    """Samples of a policy in one state.

    Attributes:
        label: the state's label.
        actions: float32 [number, A]; int32 [number] of a finite set, [number, K] of K choices.
        num_bins: the bins per dimension if actions lie on a grid over [-1, 1]; else None.
        numbers: how many values each choice has, where actions are of finite sets: (n,) of one.
        of_each: what the agent makes of the state; None for actions from a box.
    """

    label: str
    actions: npt.NDArray[Any]
    num_bins: int | None = None
    numbers: tuple[int, ...] = ()
    of_each: OfEachAction | None = None


def draw(drawn: Sequence[SampledActions], title: str, path: Path) -> Path:
    """Draws actions, a row for each state, to a file whose ending is the format; returns it."""
    from matplotlib.figure import Figure

    if drawn[0].numbers:
        pairs = [(i, i) for i in range(len(drawn[0].numbers))]
    else:
        size = drawn[0].actions.shape[1]
        pairs = [(i, i + 1 if i + 1 < size else 0) for i in range(0, size, 2)]
    of_each = drawn[0].of_each
    if of_each is not None and of_each.action_values is not None:
        pairs.append(_ACTION_VALUES)
    figure = Figure(
        figsize=(_PANEL * len(pairs) + 1.2, _PANEL * len(drawn) + 0.4), layout="constrained"
    )
    fit(figure.suptitle(literal(title)), figure.bbox.width)
    grid = figure.subplots(len(drawn), len(pairs), squeeze=False)
    for row, of_state in zip(grid, drawn, strict=True):
        for index, (axes, (i, j)) in enumerate(zip(row, pairs, strict=True)):
            if (i, j) == _ACTION_VALUES:
                _draw_action_values(axes, of_state)
            elif of_state.numbers:
                _draw_choice(axes, of_state, i)
            else:
                _draw_pair(axes, of_state, i, j)
            heading = [of_state.label] * (len(drawn) > 1)
            if of_state.of_each is not None and of_state.of_each.value is not None:
                heading.append(f"V(s) = {of_state.of_each.value:.4g}")
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


def _draw_choice(axes: Any, drawn: SampledActions, index: int) -> None:
    """Bars of the values of one choice: π(a|s) where that is known, else shares of the samples."""
    number, is_alone = drawn.numbers[index], drawn.actions.ndim == 1
    shares: npt.NDArray[Any] | None = None
    if drawn.of_each is not None:
        shares = drawn.of_each.probabilities
    if shares is None:
        chosen = drawn.actions if is_alone else drawn.actions[:, index]
        shares = np.bincount(chosen, minlength=number) / len(chosen)
    axes.bar(np.arange(number), shares, color=_COLOUR)
    axes.set_xlabel("action" if is_alone else f"choice {index + 1}")
    axes.set_ylabel("share of the actions")
    axes.set_ylim(0, None)
    axes.locator_params(axis="x", integer=True)


def _draw_pair(axes: Any, drawn: SampledActions, i: int, j: int) -> None:
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


def _draw_action_values(axes: Any, drawn: SampledActions) -> None:
    assert drawn.of_each is not None and drawn.of_each.action_values is not None
    values = drawn.of_each.action_values
    axes.bar(np.arange(len(values)), values, color=_COLOUR)
    # Bars from 0 on would not show how actions differ where all values are far from it.
    low, high = float(values.min()), float(values.max())
    margin = max(0.2 * (high - low), 1e-3 * max(abs(low), abs(high)), 1e-6)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel("action")
    axes.set_ylabel("Q(s, a)")
    axes.locator_params(axis="x", integer=True)


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
