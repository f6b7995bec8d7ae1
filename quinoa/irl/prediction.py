"""What a learned model predicts of a route that begins somewhere, or has begun: `predict`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from quinoa.irl.inference import Destinations, most_likely_route
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError


class RouteModel(NamedTuple):
    """A graph, and what was learned of routes in it.

    Attributes:
        graph: the graph.
        theta: float64 [K].
        routes: those that it was learned from, as edges.
        names: the features' names, K.
        lengths: float64 [E], how far it is along each edge; None if that is not known.
        places: float64 [S, 2, 2], where a picture has each state; None if that is not known.
    """

    graph: RouteGraph
    theta: Array
    routes: Sequence[Array]
    names: Sequence[str]
    lengths: Array | None = None
    places: Array | None = None

    def prior(self) -> dict[int, float]:
        """Of each state where routes end, the share that does; the most frequent one first."""
        ends = Counter(int(self.graph.edge_target[route[-1]]) for route in self.routes)
        return {state: count / len(self.routes) for state, count in ends.most_common()}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A destination, and the most likely way there from where the route has come to.

    Attributes:
        state: the destination.
        prior: P(destination).
        posterior: P(destination | what was seen).
        route: the states of the most likely way there, from the last one that was seen.
        probability: that way's, among all ways there from that state.
        length: that way's; None if lengths are not known.
    """

    state: int
    prior: float
    posterior: float
    route: list[int]
    probability: float
    length: float | None


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Where a route leads.

    Attributes:
        seen: the states of the route so far, T + 1.
        candidates: the most probable destinations, the most probable one first.
        where: all destinations.
        posteriors: float64 [T + 1, D], the posterior over `where.states` after each step.
    """

    seen: list[int]
    candidates: list[Candidate]
    where: Destinations
    posteriors: Array

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "seen": self.seen,
            "destinations": [dataclasses.asdict(each) for each in self.candidates],
            "posterior": {
                "states": self.where.states.tolist(),
                "prior": self.where.prior.tolist(),
                "after_each_step": self.posteriors.tolist(),
            },
        }


def predict(
    model: RouteModel,
    seen: Sequence[int],
    prior: Mapping[int, float] | None = None,
    *,
    most: int = 5,
) -> Prediction:
    """Predicts where a route leads, and how.

    Args:
        model: what was learned.
        seen: the states of the route so far, T + 1; one if it is only to begin there.
        prior: of each destination that is possible its probability, or in proportion to it; None
            is `model.prior()`.
        most: destinations to give the way to, the most probable ones.

    Raises:
        RouteGraphError: what was seen leaves the graph, or leads to no destination.
        DivergenceError: the partition function of a destination diverges.
    """
    graph, theta = model.graph, model.theta
    prior = model.prior() if prior is None else prior
    for state in prior:
        if not 0 <= state < graph.num_states:
            raise RouteGraphError(
                f"There is no state {state} for a destination: the graph has 0 to "
                f"{graph.num_states - 1}."
            )
    # Before partition functions are computed, which may take long.
    graph.edges_between(seen)
    where = Destinations(graph, theta, prior)
    posteriors = where.posteriors(seen)
    candidates = []
    for rank in np.argsort(-posteriors[-1], kind="stable")[:most]:
        if posteriors[-1, rank] <= 0:
            break
        state, here = int(where.states[rank]), int(seen[-1])
        # A route that has arrived has no more steps.
        edges = np.zeros(0, dtype=np.int64)
        states, probability = [here], 1.0
        if state != here:
            edges = most_likely_route(graph, theta, here, state)
            states = graph.states(edges).tolist()
            probability = float(np.exp(where.log_probability(edges)))
        length = None if model.lengths is None else float(model.lengths[edges].sum())
        candidates.append(
            Candidate(
                state,
                float(where.prior[rank]),
                float(posteriors[-1, rank]),
                states,
                probability,
                length,
            )
        )
    return Prediction([int(state) for state in seen], candidates, where, posteriors)
