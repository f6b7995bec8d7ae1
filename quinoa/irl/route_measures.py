"""Table 1's measures of predicted routes, and the predictions of the models that it compares."""

from __future__ import annotations

from collections.abc import Callable
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
        shared: the share of a driven route's distance that the predicted one has too, the mean. It
            is the share of its edges where the route has no length.
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
    shared = np.array([_shared(route, predict(route), miles) for route in routes.routes])
    found = None
    if log_probability is not None:
        found = float(np.mean([log_probability(route) for route in routes.routes]))
    return Measures(float(shared.mean()), float(np.mean(shared >= 0.9)), found)


def _shared(driven: Array, predicted: Array, miles: Array) -> float:
    # Edge by edge of the driven route, as it may have one twice.
    weights = miles[driven]
    if not weights.any():
        weights = np.ones(len(driven))
    return float(weights[np.isin(driven, predicted)].sum() / weights.sum())


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
