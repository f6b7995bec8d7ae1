"""Drivers on generated networks: what they know, and how they err."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quinoa.irl import road_network
from quinoa.irl.action_based import ActionBased
from quinoa.irl.best_paths import best_paths, best_route
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.road_network import RoadNetwork
from quinoa.irl.route_graph import Array, RouteGraph


class Drivers(NamedTuple):
    """A kind of drivers.

    Attributes:
        kind: `paths` have the distribution over paths of maximum entropy (Eq. 2), `actions` that of
            the action-based model (Eq. 7): each is a model's own. `misjudged` take the cheapest
            route after multiplying each cost by log-normal noise, `tastes` after multiplying each
            of their weights: neither is a model's distribution.
        size: what the costs of `road_network.preferences` are multiplied by, or the noise.
    """

    kind: str
    size: float

    @property
    def name(self) -> str:
        return f"{self.kind} {self.size:g}"

    @property
    def theta(self) -> Array:
        """The weights, without a driver's own noise, float64 [22]."""
        scale = self.size if self.kind in ("paths", "actions") else 1.0
        return scale * road_network.preferences()


class World(NamedTuple):
    """A network, where people drive to, and routes of theirs in parts of given sizes."""

    network: RoadNetwork
    destinations: Array
    routes: list[Demonstrations]

    @property
    def miles(self) -> Array:
        """Of each edge, [E]."""
        return self.network.miles[self.network.graph.edge_source]


def world(
    seed: int,
    drivers: Drivers,
    *,
    side: int,
    num_destinations: int,
    shortest: int,
    counts: tuple[int, ...],
    prior: Array | None = None,
) -> World:
    """Draws a network and routes on it.

    A pair of an origin and a destination is taken if the best route between them has at least
    `shortest` turns. Nothing is left out for how it was driven: that would change its distribution.
    """
    rng = np.random.default_rng(seed)
    network = road_network.generate(rng, side, side)
    graph = network.graph
    ends = rng.choice(graph.num_states, num_destinations, replace=False)
    drive = {int(end): _Drive(graph, drivers, int(end)) for end in ends}
    parts = []
    for count in counts:
        routes: list[Array] = []
        while len(routes) < count:
            origin, end = int(rng.integers(graph.num_states)), int(rng.choice(ends, p=prior))
            if origin != end and drive[end].turns(origin) >= shortest:
                routes.append(drive[end].route(rng, origin))
        parts.append(Demonstrations(graph, routes))
    return World(network, ends, parts)


class _Drive:
    """How one destination is driven to."""

    def __init__(self, graph: RouteGraph, drivers: Drivers, end: int) -> None:
        self._graph, self._drivers, self._end = graph, drivers, end
        self._best = best_paths(graph, graph.rewards(drivers.theta), end)
        if drivers.kind == "paths":
            self._paths = PathDistribution(graph, drivers.theta, end)
        elif drivers.kind == "actions":
            self._log_p = ActionBased(graph, drivers.theta, end).edge_log_probability

    def turns(self, origin: int) -> int:
        return len(best_route(self._graph, self._best, origin))

    def route(self, rng: np.random.Generator, origin: int) -> Array:
        graph, drivers = self._graph, self._drivers
        if drivers.kind == "paths":
            return self._paths.sample(rng, origin)
        if drivers.kind == "actions":
            return self._by_actions(rng, origin)
        theta = drivers.theta
        if drivers.kind == "tastes":
            theta = theta * np.exp(drivers.size * rng.normal(size=len(theta)))
        rewards = graph.rewards(theta)
        if drivers.kind == "misjudged":
            rewards = rewards * np.exp(drivers.size * rng.normal(size=len(rewards)))
        return best_route(graph, best_paths(graph, rewards, self._end), origin)

    def _by_actions(self, rng: np.random.Generator, origin: int) -> Array:
        edges: list[int] = []
        state = origin
        while state != self._end:
            leaving = self._graph.edges_from(state)
            chances = np.exp(self._log_p[leaving])
            edges.append(int(rng.choice(leaving, p=chances / chances.sum())))
            state = int(self._graph.edge_target[edges[-1]])
        return np.array(edges)
