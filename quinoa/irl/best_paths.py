"""The best path from every state to a destination: by Dijkstra, or by Bellman and Ford."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from quinoa.irl.route_graph import Array, DivergenceError, RouteGraph, RouteGraphError


class BestPaths(NamedTuple):
    """Of each state.

    Attributes:
        value: float64 [S], the value of the best path to the destination; −∞ if there is none.
        next_edge: integer [S], the first edge of that path; −1 if there is none, and at the
            destination.
    """

    value: Array
    next_edge: Array


def best_paths(graph: RouteGraph, edge_value: Array, destination: int) -> BestPaths:
    """The paths whose edges' values have the highest sum.

    Args:
        graph: if its dynamics are stochastic, the path may choose what comes of an action.
        edge_value: float64 [E]; a cost's negative.
        destination: where all paths end.

    Raises:
        DivergenceError: there is a cycle with a value of 0 or more, so no path is the best. Where
            no edge has a positive value, cycles of value 0 are no obstacle.
        RouteGraphError: the destination is no state.
    """
    if not 0 <= destination < graph.num_states:
        raise RouteGraphError(
            f"The destination {destination} is not in the graph, which has the states 0 to "
            f"{graph.num_states - 1}."
        )
    if len(edge_value) == 0 or np.max(edge_value) <= 0:
        return _dijkstra(graph, edge_value, destination)
    return _bellman_ford(graph, edge_value, destination)


def best_route(graph: RouteGraph, paths: BestPaths, origin: int) -> Array:
    """The edges of the best path from a state, integer [T].

    Raises:
        RouteGraphError: no path leads from there to the destination.
    """
    if not np.isfinite(paths.value[origin]):
        raise RouteGraphError(
            f"No route leads from state {origin} to the destination: leave the pair out, or join "
            "the two."
        )
    edges: list[int] = []
    state = origin
    while paths.next_edge[state] >= 0:
        edges.append(int(paths.next_edge[state]))
        state = int(graph.edge_target[edges[-1]])
    return np.array(edges, dtype=np.int64)


def _dijkstra(graph: RouteGraph, edge_value: Array, destination: int) -> BestPaths:
    order, starts = graph.by_target
    # From a state to where one may come from; two edges between two states stay two.
    backwards = sparse.csr_matrix(
        (-edge_value[order], graph.edge_source[order].astype(np.int32), starts),
        shape=(graph.num_states, graph.num_states),
    )
    cost, following = csgraph.dijkstra(backwards, indices=destination, return_predecessors=True)
    on_path = np.flatnonzero(graph.edge_target == following[graph.edge_source])
    # Of several edges between two states, the best is assigned last.
    on_path = on_path[np.argsort(edge_value[on_path], kind="stable")]
    next_edge = np.full(graph.num_states, -1)
    next_edge[graph.edge_source[on_path]] = on_path
    return BestPaths(-cost, next_edge)


def _bellman_ford(graph: RouteGraph, edge_value: Array, destination: int) -> BestPaths:
    edge_value = np.where(graph.edge_source == destination, -np.inf, edge_value)
    order, starts = graph.by_source
    # Where reduceat may begin: at states that have edges.
    has_edges = np.flatnonzero(np.diff(starts))
    value = np.full(graph.num_states, -np.inf)
    value[destination] = 0.0
    next_edge = np.full(graph.num_states, -1)
    for sweep in range(1, graph.num_states + 1):
        through = (edge_value + value[graph.edge_target])[order]
        best = np.full(graph.num_states, -np.inf)
        best[has_edges] = np.maximum.reduceat(through, starts[has_edges])
        # What is better by no more than rounding would be better in each sweep.
        better = best > value + 1e-13 * np.abs(np.where(np.isfinite(value), value, 0.0))
        if not better.any():
            return BestPaths(value, next_edge)
        source = graph.edge_source[order]
        chosen = order[better[source] & (through == best[source])]
        next_edge[graph.edge_source[chosen]] = chosen
        value[better] = best[better]
        if sweep & (sweep - 1) == 0:
            _require_no_cycle(graph, next_edge)
    _require_no_cycle(graph, next_edge)
    raise _divergence(int(np.flatnonzero(better)[0]))


def _require_no_cycle(graph: RouteGraph, next_edge: Array) -> None:
    """Raises `DivergenceError` if following the best edges leads round a cycle."""
    states = np.arange(graph.num_states)
    step = np.where(next_edge < 0, states, graph.edge_target[next_edge])
    # After 2ⁿ steps, all that do not go round have arrived.
    for _ in range(graph.num_states.bit_length()):
        step = step[step]
    round_a_cycle = np.flatnonzero(next_edge[step] >= 0)
    if len(round_a_cycle):
        raise _divergence(int(step[round_a_cycle[0]]))


def _divergence(state: int) -> DivergenceError:
    return DivergenceError(
        "No path is the best, and the partition function diverges: the cycle through state "
        f"{state} has a reward of 0 or more. Make its cost positive (theta more negative), or "
        "remove an edge of it."
    )
