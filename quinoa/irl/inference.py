"""What learned weights say of a driver: the most likely route, and where one that began leads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quinoa.irl.best_paths import best_paths, best_route
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError


def most_likely_route(graph: RouteGraph, theta: Array, origin: int, destination: int) -> Array:
    """The route with the highest probability under Eq. 2 or 4, as edges, integer [T].

    Raises:
        DivergenceError: a cycle has a positive reward.
        RouteGraphError: no route leads from the origin to the destination.
    """
    value = graph.rewards(theta)[graph.edge_action] + np.log(graph.edge_probability)
    return best_route(graph, best_paths(graph, value, destination), origin)


def destination_posterior(
    graph: RouteGraph, theta: Array, seen: Array, prior: Mapping[int, float]
) -> dict[int, float]:
    """P(destination | the part of a route that was seen), by Bayes' theorem.

    From A to B was seen, so it is prior × Z(B → destination) / Z(A → destination), normalised; the
    weight of what was seen is the same for each destination.

    Args:
        graph: the graph.
        theta: float64 [K].
        seen: the route's first edges, integer [T], at least one.
        prior: of each destination that is possible, P(destination), or in proportion to it.

    Raises:
        RouteGraphError: what was seen is no route, or leads to no destination of the prior.
        DivergenceError: the partition function of a destination diverges.
    """
    states = graph.states(seen)
    logits = {}
    for destination, weight in prior.items():
        # A route ends where it first arrives.
        if weight <= 0 or destination in states[:-1]:
            continue
        log_partition = PathDistribution(graph, theta, destination).log_partition
        if np.isfinite(log_partition[states[-1]]):
            ratio = log_partition[states[-1]] - log_partition[states[0]]
            logits[destination] = float(ratio + np.log(weight))
    if not logits:
        raise RouteGraphError(
            f"From state {states[-1]}, where the seen route has come to, no destination of the "
            "prior can be reached: give one that can."
        )
    most = max(logits.values())
    total = sum(np.exp(logit - most) for logit in logits.values())
    return {
        destination: float(np.exp(logits[destination] - most) / total)
        if destination in logits
        else 0.0
        for destination in prior
    }
