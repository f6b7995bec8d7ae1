"""What learned weights say of a driver: the most likely route, and where one that began leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


class Destinations:
    """Where a route that has begun leads, by Bayes' theorem.

    Attributes:
        graph: the graph.
        states: the destinations that are possible, integer [D].
        prior: P(destination), float64 [D].

    Raises:
        RouteGraphError: the prior is no distribution over states of the graph.
        DivergenceError: the partition function of a destination diverges.
    """

    def __init__(self, graph: RouteGraph, theta: Array, prior: Mapping[int, float]) -> None:
        """Computes the partition function of each destination.

        Args:
            graph: the graph.
            theta: float64 [K].
            prior: of each destination P(destination), or in proportion to it. With 0, it is none.
        """
        weights = np.array(list(prior.values()), dtype=np.float64)
        if not (np.all(weights >= 0) and np.all(np.isfinite(weights)) and weights.sum() > 0):
            raise RouteGraphError(
                "The prior must be numbers of at least 0, one of them above 0: give the possible "
                "destinations, each with how probable it is."
            )
        self.graph = graph
        self.states = np.array([state for state in prior if prior[state] > 0], dtype=np.int64)
        self.prior = weights[weights > 0] / weights.sum()
        self._paths = [PathDistribution(graph, theta, int(state)) for state in self.states]

    def posterior(self, seen: Sequence[int] | Array) -> Array:
        """P(destination | the part of a route that was seen), float64 [D].

        From A to B was seen, so it is prior × Z(B → destination) / Z(A → destination), normalised;
        the weight of what was seen is the same for each destination.

        Args:
            seen: the states from A to B, integer [T + 1]; with one alone, the destinations that
                can be reached from there have the prior's proportions.

        Raises:
            RouteGraphError: what was seen leaves the graph, or leads to no destination.
        """
        return self.posteriors(seen)[-1]

    def posteriors(self, seen: Sequence[int] | Array) -> Array:
        """The posterior after each step of what was seen, float64 [T + 1, D].

        Raises:
            RouteGraphError: as above.
        """
        if len(seen) == 0:
            raise RouteGraphError(
                "At least one state must be seen: the one where the route begins."
            )
        self.graph.edges_between(seen)
        seen = np.asarray(seen, dtype=np.int64)
        log_partition = np.array([paths.log_partition[seen] for paths in self._paths]).T
        with np.errstate(invalid="ignore"):
            logits = np.log(self.prior) + log_partition - log_partition[0]
        # A route ends where it first arrives.
        arrived = seen[:, None] == self.states
        passed = np.cumsum(arrived, axis=0) - arrived > 0
        logits[passed | ~np.isfinite(log_partition)] = -np.inf
        for step, possible in enumerate(np.isfinite(logits).any(axis=1)):
            if not possible:
                raise RouteGraphError(
                    f"From state {seen[step]}, where the seen route has come to, no destination "
                    "can be reached: give one that can."
                )
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def remaining_visits(self, seen: Sequence[int] | Array) -> Array:
        """How often the rest of the route goes over each edge, in expectation, float64 [E].

        Args:
            seen: see `posterior`.
        """
        visits = np.zeros(len(self.graph.edge_action))
        for paths, probability in zip(self._paths, self.posterior(seen), strict=True):
            if probability > 0 and paths.destination != seen[-1]:
                start = np.zeros(self.graph.num_states)
                start[seen[-1]] = probability
                visits += paths.edge_visits(start)
        return visits

    def log_probability(self, route: Array) -> float:
        """Log P(route | where it begins and ends), of edges that lead to one of the destinations.

        Raises:
            RouteGraphError: the route leaves the graph, or ends elsewhere.
        """
        end = int(self.graph.states(route)[-1])
        for paths in self._paths:
            if paths.destination == end:
                return paths.log_probability(route)
        raise RouteGraphError(f"The route ends in state {end}, which is none of the destinations.")
