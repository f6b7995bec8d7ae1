"""The model that the paper compares with: each action by the best route that begins with it."""

from __future__ import annotations

import numpy as np

from quinoa.irl.best_paths import best_paths, best_route
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError


class ActionBased:
    """P(a | s) ∝ exp Q*(s, a) (Eq. 7), Q* being the reward of the best route that begins with a.

    It suffers from label bias: actions compete with others in the same state only, so a route has
    less probability the more others branch off it.

    Attributes:
        graph: a graph with deterministic dynamics.
        destination: where every route ends.
        edge_log_probability: float64 [E], log P(a | s); −∞ for what leaves the destination, or
            leads to where it cannot be reached from.

    Raises:
        DivergenceError: a cycle has a reward of 0 or more.
        RouteGraphError: dynamics are stochastic.
    """

    def __init__(self, graph: RouteGraph, theta: Array, destination: int) -> None:
        if len(graph.edge_action) != len(graph.action_state):
            raise RouteGraphError("The action-based model is of deterministic dynamics only.")
        self.graph = graph
        self.destination = destination
        rewards = graph.rewards(theta)
        q = rewards + best_paths(graph, rewards, destination).value[graph.edge_target]
        q[graph.edge_source == destination] = -np.inf
        # The softmax over each state's actions, whose best is subtracted first.
        best = np.full(graph.num_states, -np.inf)
        np.maximum.at(best, graph.edge_source, q)
        possible = np.isfinite(q)
        source = graph.edge_source[possible]
        relative = q[possible] - best[source]
        total = np.bincount(source, np.exp(relative), graph.num_states)
        self.edge_log_probability = np.full(len(q), -np.inf)
        self.edge_log_probability[possible] = relative - np.log(total[source])

    def log_probability(self, route: Array) -> float:
        """Log P(route), given where it begins; −∞ if it does not end at the destination."""
        states = self.graph.states(route)
        if states[-1] != self.destination:
            return -np.inf
        return float(np.sum(self.edge_log_probability[route]))

    def most_likely_route(self, origin: int) -> Array:
        """The route with the highest probability, as edges: not always that of the lowest cost."""
        paths = best_paths(self.graph, self.edge_log_probability, self.destination)
        return best_route(self.graph, paths, origin)
