"""Table 1's measures of predicted routes, and the models that it compares by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from quinoa.irl.action_based import ActionBased
from quinoa.irl.best_paths import BestPaths, best_paths, best_route
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import Array, RouteGraph


class Measures(NamedTuple):
    """Of the routes that a model predicts, beside those that were driven.

    Attributes:
        shared: the share of a driven route's distance that the predicted one has too, the mean.
        matched: the share of routes of which at least 90 % of the distance is shared.
        log_probability: the mean of log P(route), or None if the model has no probabilities.
    """

    shared: float
    matched: float
    log_probability: float | None


def measure(
    routes: Demonstrations,
    miles: Array,
    predict: Callable[[Array], Array],
    log_probability: Callable[[Array], float] | None = None,
) -> Measures:
    """Compares predictions with held-out routes.

    Args:
        routes: held-out routes.
        miles: float64 [E], how far it is along each edge.
        predict: gives the predicted route between a driven one's origin and destination.
        log_probability: of a route, under the model.
    """
    shared = np.array(
        [miles[np.intersect1d(r, predict(r))].sum() / miles[r].sum() for r in routes.routes]
    )
    found = None
    if log_probability is not None:
        found = float(np.mean([log_probability(route) for route in routes.routes]))
    return Measures(float(shared.mean()), float(np.mean(shared >= 0.9)), found)


def by_costs(graph: RouteGraph, edge_value: Array) -> Callable[[Array], Array]:
    """Predicts the route with the highest sum of values, float64 [E]: of times, or of rewards."""
    paths: dict[int, BestPaths] = {}

    def predict(route: Array) -> Array:
        states = graph.states(route)
        destination = int(states[-1])
        if destination not in paths:
            paths[destination] = best_paths(graph, edge_value, destination)
        return best_route(graph, paths[destination], int(states[0]))

    return predict


def max_ent_log_probability(graph: RouteGraph, theta: Array) -> Callable[[Array], float]:
    """Gives log P(route | θ) of the maximum-entropy model (Eq. 2), of routes to any destination."""
    models: dict[int, PathDistribution] = {}

    def log_probability(route: Array) -> float:
        destination = int(graph.edge_target[route[-1]])
        if destination not in models:
            models[destination] = PathDistribution(graph, theta, destination)
        return models[destination].log_probability(route)

    return log_probability


def action_based_models(graph: RouteGraph, theta: Array) -> Callable[[Array], ActionBased]:
    """The action-based model (Eq. 7) of the destination of a route."""
    models: dict[int, ActionBased] = {}

    def model(route: Array) -> ActionBased:
        destination = int(graph.edge_target[route[-1]])
        if destination not in models:
            models[destination] = ActionBased(graph, theta, destination)
        return models[destination]

    return model


def max_margin_planning(
    routes: Demonstrations,
    miles: Array,
    start: Array,
    *,
    learning_rate: float = 0.1,
    regularization: float = 0.01,
    num_steps: int = 100,
    smallest_cost: float = 1e-3,
) -> Array:
    """Maximum-margin planning (Ratliff, Bagnell & Zinkevich, 2006), by the subgradient method.

    A demonstrated route is to be better than any other by the distance of the latter that is not
    the former's. So the route that violates this most is planned with costs less that distance,
    and weights move towards the demonstrated features and away from the planned ones.

    Args:
        routes: the demonstrations.
        miles: float64 [E], how far it is along each edge.
        start: float64 [K], weights to begin with, all negative.
        learning_rate: divided by the square root of the step's number.
        regularization: λ of λ/2 ‖θ‖².
        num_steps: passes over all routes.
        smallest_cost: weights stay at −this or below, so that costs are positive.

    Returns:
        The mean of the weights over the second half of the steps, float64 [K].
    """
    graph = routes.graph
    theta = np.array(start, dtype=np.float64)
    kept: list[Array] = []
    for step in range(1, num_steps + 1):
        rewards = graph.rewards(theta)[graph.edge_action]
        planned = np.zeros(graph.num_features)
        for route in routes.routes:
            margin = miles.copy()
            margin[route] = 0.0
            # Not above 0: no cycle is driven for its distance's sake.
            value = np.minimum(rewards + margin, 0.0)
            path = by_costs(graph, value)(route)
            planned += graph.features[graph.edge_action[path]].sum(axis=0) / len(routes.routes)
        slope = routes.feature_counts - planned - regularization * theta
        theta = np.minimum(theta + learning_rate / np.sqrt(step) * slope, -smallest_cost)
        if 2 * step > num_steps:
            kept.append(theta)
    return np.mean(kept, axis=0)


def fit_action_based(
    routes: Demonstrations, start: Array, *, learning_rate: float = 0.2, num_steps: int = 100
) -> Array:
    """Weights of the action-based model that make demonstrated routes likely, by gradient ascent.

    The log-likelihood is not concave, so this is a local maximum near the start. The gradient of
    Q*(s, a) is the feature counts of the best route that begins with a.

    Args:
        routes: the demonstrations.
        start: float64 [K], weights to begin with, all negative.
        learning_rate: of steps on the gradient over its root mean square, divided by √step.
        num_steps: how many.

    Returns:
        The best weights of all steps, float64 [K].
    """
    graph = routes.graph
    theta, best, highest = np.array(start, dtype=np.float64), np.array(start), -np.inf
    square = np.zeros(graph.num_features)
    visits: dict[int, Array] = {}
    for route in routes.routes:
        destination = int(graph.edge_target[route[-1]])
        visits.setdefault(destination, np.zeros(len(graph.edge_action)))
        np.add.at(visits[destination], route, 1 / len(routes.routes))
    for step in range(1, num_steps + 1):
        likelihood, gradient = 0.0, np.zeros(graph.num_features)
        rewards = graph.rewards(theta)
        for destination, visited in visits.items():
            counts = _path_features(graph, best_paths(graph, rewards, destination))
            log_p = ActionBased(graph, theta, destination).edge_log_probability
            likelihood += float(visited[visited > 0] @ log_p[visited > 0])
            at = np.bincount(graph.edge_source, visited, graph.num_states)[graph.edge_source]
            pull = visited - at * np.exp(log_p)
            gradient += pull @ (graph.features + counts[graph.edge_target])
        if likelihood > highest:
            best, highest = theta, likelihood
        square = 0.9 * square + 0.1 * gradient**2
        rate = learning_rate / np.sqrt(step)
        theta = np.minimum(theta + rate * gradient / np.sqrt(square + 1e-12), -1e-3)
    return best


def _path_features(graph: RouteGraph, paths: BestPaths) -> Array:
    """The feature counts of the best path from each state, float64 [S, K]."""
    counts = np.zeros((graph.num_states, graph.num_features))
    # A state's successor has a higher value, but where its edge costs nothing.
    for state in np.argsort(-paths.value, kind="stable"):
        edge = paths.next_edge[state]
        if edge >= 0:
            counts[state] = graph.features[edge] + counts[graph.edge_target[edge]]
    return counts


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean over five seeds, by Student's t."""
    return float(2.776 * np.std(values, ddof=1) / np.sqrt(len(values)))
