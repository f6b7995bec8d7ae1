"""Fits the models that the paper compares with: maximum-margin planning, and the action-based one.

Neither has a concave and smooth objective, so both climb by the subgradient with AdaGrad's steps
(Duchi, Hazan & Singer, 2011), which need no other rate for features of another size.
"""

from __future__ import annotations

import numpy as np

from quinoa.irl.action_based import ActionBased
from quinoa.irl.best_paths import BestPaths, best_paths, best_route
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.route_graph import Array, RouteGraph

_SMALLEST_COST = 1e-3  # Weights stay at −this or below, so that costs are positive.


def max_margin_planning(
    routes: Demonstrations,
    miles: Array,
    start: Array,
    *,
    regularization: float = 0.01,
    learning_rate: float = 1.0,
    num_steps: int = 500,
    batch_size: int = 20,
    rng: np.random.Generator | None = None,
) -> Array:
    """Maximum-margin planning (Ratliff, Bagnell & Zinkevich, 2006), by online subgradient steps.

    A demonstrated route is to be better than any other by the distance of the latter that is not
    the former's. So the route that violates this most is planned with costs less that distance,
    and weights move towards the demonstrated features and away from the planned ones.

    Args:
        routes: the demonstrations.
        miles: float64 [E], how far it is along each edge.
        start: float64 [K], weights to begin with, all negative.
        regularization: λ of λ/2 ‖θ‖².
        learning_rate: AdaGrad's: a weight's first step is of this size.
        num_steps: how many steps.
        batch_size: routes in one step, drawn with replacement.
        rng: draws them.

    Returns:
        The mean of the weights over the second half of the steps, float64 [K].
    """
    graph = routes.graph
    rng = np.random.default_rng(0) if rng is None else rng
    climb = _Climb(start, learning_rate)
    kept = np.zeros(graph.num_features)
    for step in range(num_steps):
        rewards = graph.rewards(climb.theta)[graph.edge_action]
        slope = -regularization * climb.theta
        for index in rng.integers(len(routes.routes), size=batch_size):
            route = routes.routes[index]
            margin = miles.copy()
            margin[route] = 0.0
            # Not above 0: no cycle is driven for its distance's sake.
            value = np.minimum(rewards + margin, 0.0)
            paths = best_paths(graph, value, int(graph.edge_target[route[-1]]))
            planned = best_route(graph, paths, int(graph.edge_source[route[0]]))
            for edges, sign in ((route, 1), (planned, -1)):
                slope += sign / batch_size * graph.features[graph.edge_action[edges]].sum(axis=0)
        climb.step(slope)
        if step >= num_steps // 2:
            kept += climb.theta
    return kept / (num_steps - num_steps // 2)


def fit_action_based(
    routes: Demonstrations,
    start: Array,
    *,
    regularization: float = 0.01,
    learning_rate: float = 1.0,
    num_steps: int = 200,
) -> Array:
    """Weights of the action-based model that make demonstrated routes likely, by gradient ascent.

    The mean log-likelihood is not concave, so this is a local maximum near the start. The gradient
    of Q*(s, a) is the feature counts of the best route that begins with a.

    Args:
        routes: the demonstrations.
        start: float64 [K], weights to begin with, all negative.
        regularization: λ; λ/2 ‖θ‖² is subtracted from the mean log-likelihood.
        learning_rate: AdaGrad's: a weight's first step is of this size.
        num_steps: how many steps.

    Returns:
        The best weights of all steps, float64 [K].
    """
    graph = routes.graph
    climb, best, highest = _Climb(start, learning_rate), np.array(start), -np.inf
    visits: dict[int, Array] = {}
    for route in routes.routes:
        destination = int(graph.edge_target[route[-1]])
        visits.setdefault(destination, np.zeros(len(graph.edge_action)))
        np.add.at(visits[destination], route, 1 / len(routes.routes))
    for _ in range(num_steps):
        theta = climb.theta
        objective = -0.5 * regularization * float(theta @ theta)
        slope = -regularization * theta
        rewards = graph.rewards(theta)
        for destination, visited in visits.items():
            counts = _path_features(graph, best_paths(graph, rewards, destination))
            log_p = ActionBased(graph, theta, destination).edge_log_probability
            objective += float(visited[visited > 0] @ log_p[visited > 0])
            at = np.bincount(graph.edge_source, visited, graph.num_states)[graph.edge_source]
            pull = visited - at * np.exp(log_p)
            slope += pull @ (graph.features + counts[graph.edge_target])
        if objective > highest:
            best, highest = theta, objective
        climb.step(slope)
    return best


class _Climb:
    """Steps along a slope by AdaGrad, with every weight kept negative."""

    def __init__(self, start: Array, learning_rate: float) -> None:
        self.theta = np.array(start, dtype=np.float64)
        self._learning_rate = learning_rate
        self._squares = np.zeros(len(self.theta))

    def step(self, slope: Array) -> None:
        self._squares += slope**2
        move = self._learning_rate * slope / np.sqrt(self._squares + 1e-12)
        self.theta = np.minimum(self.theta + move, -_SMALLEST_COST)


def _path_features(graph: RouteGraph, paths: BestPaths) -> Array:
    """The feature counts of the best path from each state, float64 [S, K]."""
    counts = np.zeros((graph.num_states, graph.num_features))
    # A state's successor has a higher value, but where its edge costs nothing.
    for state in np.argsort(-paths.value, kind="stable"):
        edge = paths.next_edge[state]
        if edge >= 0:
            counts[state] = graph.features[edge] + counts[graph.edge_target[edge]]
    return counts
