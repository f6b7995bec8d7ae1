"""Demonstrated routes, and how likely they are under reward weights: the objective and gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from quinoa.irl.path_distribution import PathDistribution, feature_counts
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError


class Objective(NamedTuple):
    """Of reward weights.

    Attributes:
        log_likelihood: the mean of log P(ζ | θ, T) over the demonstrations.
        gradient: float64 [K], its derivative by θ: feature counts − expected counts (Eq. 6).
    """

    log_likelihood: float
    gradient: Array


class Demonstrations:
    """Routes of a graph, each to a destination of its own.

    The weights are the same for all destinations, and so are learned from all routes together.

    Attributes:
        graph: the graph.
        routes: of each route its edges, integer [T].
        feature_counts: float64 [K], a route's feature counts, the mean over the routes.

    Raises:
        RouteGraphError: there is no route, or one that leaves the graph or passes its destination
            before its end.
    """

    def __init__(self, graph: RouteGraph, routes: Sequence[Array]) -> None:
        if len(routes) == 0:
            raise RouteGraphError("There must be at least one demonstrated route.")
        self.graph = graph
        self.routes = [np.asarray(route, dtype=np.int64) for route in routes]
        # Routes by their destination, each of which takes a backward pass of its own.
        self._starts: dict[int, Array] = {}
        for index, route in enumerate(self.routes):
            try:
                states = graph.states(route)
            except RouteGraphError as error:
                raise RouteGraphError(f"Demonstration {index}: {error}") from error
            destination = int(states[-1])
            if np.any(states[:-1] == destination):
                raise RouteGraphError(
                    f"Demonstration {index} passes its destination, state {destination}, before "
                    "its end: cut it there, or split it in two."
                )
            starts = self._starts.setdefault(destination, np.zeros(graph.num_states))
            starts[states[0]] += 1.0
        edges = np.concatenate(self.routes)
        visits = np.bincount(edges, minlength=len(graph.edge_action)) / len(self.routes)
        self.feature_counts = feature_counts(graph, visits)
        self._log_outcomes = float(visits @ np.log(graph.edge_probability))

    @classmethod
    def from_states(cls, graph: RouteGraph, routes: Sequence[Sequence[int]]) -> Demonstrations:
        """Of routes that are given by their states, [T + 1] each."""
        edges = []
        for index, states in enumerate(routes):
            try:
                edges.append(graph.route(states))
            except RouteGraphError as error:
                raise RouteGraphError(f"Demonstration {index}: {error}") from error
        return cls(graph, edges)

    @property
    def destinations(self) -> list[int]:
        """The states where routes end, each once."""
        return list(self._starts)

    def objective(
        self, theta: Array, *, before_each: Callable[[], object] = lambda: None
    ) -> Objective:
        """L(θ) / m and its gradient, for the m routes (Eq. 4 and 6).

        Args:
            theta: float64 [K].
            before_each: called before each destination's backward pass; it may raise to end this.

        Raises:
            DivergenceError: the partition function of a destination diverges.
        """
        count = len(self.routes)
        log_likelihood = float(theta @ self.feature_counts) + self._log_outcomes
        expected = np.zeros(self.graph.num_features)
        for destination, start in self._starts.items():
            before_each()
            paths = PathDistribution(self.graph, theta, destination)
            origins = np.flatnonzero(start)
            log_likelihood -= float(start[origins] @ paths.log_partition[origins]) / count
            expected += paths.expected_features(start) / count
        return Objective(log_likelihood, self.feature_counts - expected)

    def subset(self, indices: Sequence[int] | Array) -> Demonstrations:
        """Some of the routes."""
        return Demonstrations(self.graph, [self.routes[index] for index in indices])
