"""Draws on Matplotlib's axes: learned costs, routes, and where a route that has begun leads.

They are the paper's Figures 3 to 5. A state is a line between two places, [2, 2]; its way back, if
it has one, is a line of its own, so each is drawn a little to the right of the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quinoa.irl.inference import Destinations
from quinoa.irl.route_graph import Array, RouteGraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the median length of a line: how far to the right of it a state is drawn.
_OFFSET = 0.06
_GREY = "0.8"


def costs_of_states(graph: RouteGraph, theta: Array, lengths: Array | None = None) -> Array:
    """What it costs to leave each state, the mean over its actions, float64 [S]; NaN without one.

    Args:
        graph: the graph.
        theta: float64 [K].
        lengths: float64 [E], how far it is along each edge: the cost is for a unit of length then.
    """
    cost = -graph.rewards(theta)[graph.edge_action] * graph.edge_probability
    unit = np.ones(len(cost)) if lengths is None else np.maximum(lengths, 1e-12)
    actions = np.bincount(graph.action_state, minlength=graph.num_states)
    total = np.bincount(graph.edge_source, cost / unit, graph.num_states)
    return np.where(actions > 0, total / np.maximum(actions, 1), np.nan)


def draw_costs(axes: Any, places: Array, costs: Array, label: str = "cost") -> None:
    """Draws each state in the colour of its cost, with a colour bar.

    Args:
        axes: Matplotlib's.
        places: float64 [S, 2, 2].
        costs: float64 [S]; states of which it is NaN are grey.
        label: the colour bar's.
    """
    lines = _lines(axes, places, cmap="viridis_r", linewidths=1.6)
    lines.set_array(np.ma.masked_invalid(costs))
    lines.cmap.set_bad(_GREY)
    axes.figure.colorbar(lines, ax=axes, label=label, shrink=0.8)


def draw_weights(axes: Any, names: Sequence[str], theta: Array) -> None:
    """Draws the cost of each feature as a bar.

    Args:
        axes: Matplotlib's.
        names: K.
        theta: float64 [K].
    """
    rows = np.arange(len(names))
    axes.barh(rows, -np.asarray(theta), color="C0")
    axes.set_yticks(rows, names, fontsize="small")
    axes.invert_yaxis()
    axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_xlabel("learned cost of one unit")


def draw_prediction(
    axes: Any,
    places: Array,
    where: Destinations,
    seen: Sequence[int],
    route: Sequence[int] = (),
) -> None:
    """Draws a route that has begun, where it may go on, and its possible destinations.

    Args:
        axes: Matplotlib's.
        places: float64 [S, 2, 2].
        where: the destinations.
        seen: the states of what was seen, [T + 1].
        route: the states of a predicted rest of the route; drawn thin and dashed.
    """
    _lines(axes, places, colors=_GREY, linewidths=0.7)
    visits = np.bincount(
        where.graph.edge_target, where.remaining_visits(seen), where.graph.num_states
    )
    # What is visited twice is certain to be visited.
    shown = np.flatnonzero(visits > 1e-3)
    lines = _lines(
        axes,
        places,
        shown,
        cmap="Oranges",
        linewidths=1.0 + 3.0 * np.minimum(visits[shown], 1.0),
    )
    lines.set_array(np.minimum(visits[shown], 1.0))
    lines.set_clim(-0.3, 1.0)
    _lines(axes, places, np.asarray(seen), colors="black", linewidths=2.6)
    if len(route):
        _lines(axes, places, np.asarray(route), colors="C0", linewidths=1.2, linestyles="--")
    posterior = where.posterior(seen)
    for rank in np.argsort(-posterior, kind="stable")[::-1]:
        x, y = places[where.states[rank]].mean(axis=0)
        axes.scatter(x, y, s=30 + 400 * posterior[rank], color=_colour(rank), alpha=0.6, zorder=3)
        if posterior[rank] >= 0.01:
            text = f"{where.states[rank]}: {posterior[rank]:.0%}"
            axes.annotate(text, (x, y), (5, 5), textcoords="offset points", fontsize="small")


def draw_posteriors(axes: Any, where: Destinations, seen: Sequence[int], most: int = 8) -> None:
    """Draws the posterior over destinations after each step of what was seen.

    Args:
        axes: Matplotlib's.
        where: the destinations.
        seen: the states of what was seen, [T + 1].
        most: of how many destinations; the others are one curve.
    """
    posteriors = where.posteriors(seen)
    steps = np.arange(len(posteriors))
    order = np.argsort(-posteriors.max(axis=0), kind="stable")
    marker = "o" if len(posteriors) < 40 else None
    for rank in order[:most]:
        axes.plot(
            steps,
            posteriors[:, rank],
            color=_colour(rank),
            marker=marker,
            markersize=3,
            label=str(where.states[rank]),
        )
    if len(order) > most:
        rest = posteriors[:, order[most:]].sum(axis=1)
        axes.plot(steps, rest, color="0.5", linestyle=":", label=f"{len(order) - most} others")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("steps seen")
    axes.set_ylabel("P(destination | seen)")
    axes.locator_params(axis="x", integer=True)
    axes.legend(title="destination", fontsize="small", title_fontsize="small")


def draw_curves(axes: Any, shares: Array, values: Array, label: str, number: int) -> None:
    """Draws a mean over seeds, with the range of the seeds around it.

    Args:
        axes: Matplotlib's.
        shares: float64 [N], the places on the x-axis.
        values: float64 [seeds, N].
        label: the legend's; one that ends in `prior` is dashed, and has no range.
        number: of the colour.
    """
    is_prior = label.endswith("prior")
    colour = f"C{number}"
    axes.plot(
        shares, values.mean(axis=0), color=colour, linestyle=":" if is_prior else "-", label=label
    )
    if not is_prior:
        axes.fill_between(
            shares, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0
        )


def picture(
    graph: RouteGraph,
    theta: Array,
    places: Array,
    *,
    names: Sequence[str],
    lengths: Array | None = None,
    where: Destinations | None = None,
    seen: Sequence[int] = (),
    route: Sequence[int] = (),
) -> Figure:
    """A figure of what was learned: costs on the map and of each feature, and a prediction below.

    Args:
        graph: the graph.
        theta: float64 [K].
        places: float64 [S, 2, 2].
        names: the features' names, K.
        lengths: float64 [E], if costs are to be for a unit of length.
        where: the destinations, if a route is to be drawn that has begun.
        seen: its states, [T + 1].
        route: the states of a predicted rest of it.
    """
    from matplotlib.figure import Figure as Canvas

    rows = 1 if where is None else 2
    figure = Canvas(figsize=(11.0, 5.0 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, width_ratios=(3, 2))
    label = "cost of leaving" if lengths is None else "cost for a unit of length"
    draw_costs(grid[0, 0], places, costs_of_states(graph, theta, lengths), label)
    draw_weights(grid[0, 1], names, theta)
    if where is not None:
        draw_prediction(grid[1, 0], places, where, seen, route)
        draw_posteriors(grid[1, 1], where, seen)
    return figure


def _lines(axes: Any, places: Array, states: Array | None = None, **style: Any) -> Any:
    """Adds the lines of states, or of all of them, each a little to the right of its way."""
    from matplotlib.collections import LineCollection

    along = places[:, 1] - places[:, 0]
    length = np.hypot(*along.T)
    to_right = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(length, 1e-12)[:, None]
    median = np.median(length[length > 0]) if np.any(length > 0) else 0.0
    shifted = places + _OFFSET * median * to_right[:, None]
    lines = LineCollection(list(shifted if states is None else shifted[states]), **style)
    axes.add_collection(lines)
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    return lines


def _colour(rank: int) -> str:
    return f"C{rank % 10}"
