"""The maximum-entropy distribution over paths to a destination, by Algorithm 1."""

from __future__ import annotations

import functools

import numpy as np
from scipy import sparse

from quinoa.irl import series
from quinoa.irl.best_paths import best_paths
from quinoa.irl.route_graph import Array, DivergenceError, RouteGraph, RouteGraphError


class PathDistribution:
    """P(ζ | θ, T) ∝ exp(θᵀf_ζ) ∏ P(s' | s, a), over all paths ζ to one destination (Eq. 2 and 4).

    A path ends when it first arrives. If dynamics are stochastic, this is Eq. 4's approximation of
    Eq. 3: it weighs a path by how likely its outcomes are, and so hopes for lucky ones.

    Attributes:
        graph: the graph.
        theta: float64 [K].
        destination: where every path ends.
        log_partition: float64 [S], log Z of the paths from each state; −∞ where none leads to the
            destination.

    Raises:
        DivergenceError: the partition function diverges.
        RouteGraphError: the destination is no state, or θ not K finite numbers.
    """

    def __init__(self, graph: RouteGraph, theta: Array, destination: int) -> None:
        self.graph = graph
        self.theta = np.asarray(theta, dtype=np.float64)
        self.destination = destination
        self._edge_weight = _edge_weights(graph, self.theta)
        self.log_partition = _log_partition(graph, self._edge_weight, destination)

    @functools.cached_property
    def edge_log_probability(self) -> Array:
        """Log P(edge | its source), float64 [E]: how paths go on from a state (Eq. 4).

        −∞ for edges that leave the destination, or lead to where no path leads to it from.
        """
        graph = self.graph
        open_edge = np.isfinite(self.log_partition[graph.edge_target])
        open_edge &= graph.edge_source != self.destination
        source, target = graph.edge_source[open_edge], graph.edge_target[open_edge]
        found = np.full(len(open_edge), -np.inf)
        found[open_edge] = (
            self._edge_weight[open_edge] + self.log_partition[target] - self.log_partition[source]
        )
        return found

    @functools.cached_property
    def policy(self) -> Array:
        """P(a | s), float64 [A] (Eq. 5; Algorithm 1, step 3: Z_a / Z_s)."""
        graph = self.graph
        edges = np.exp(self.edge_log_probability)
        return np.bincount(graph.edge_action, edges, len(graph.action_state))

    def edge_visits(self, start: Array) -> Array:
        """How often a path goes over each edge, in expectation under Eq. 4, float64 [E].

        Args:
            start: float64 [S], how often paths begin in each state.

        Raises:
            RouteGraphError: no path leads from a state where some begin to the destination.
        """
        return self._visits(start, np.exp(self.edge_log_probability))

    def policy_edge_visits(self, start: Array) -> Array:
        """The same where the policy acts and the dynamics decide what comes of it (Algorithm 1).

        It is the forward pass as the paper has it. Under deterministic dynamics both are the same.

        Raises:
            RouteGraphError: as above, or the policy may never arrive.
        """
        graph = self.graph
        return self._visits(start, self.policy[graph.edge_action] * graph.edge_probability)

    def expected_features(self, start: Array) -> Array:
        """The expected feature counts of a path, Σ D_s f_s of Eq. 6, float64 [K].

        Args:
            start: float64 [S], how often paths begin in each state.
        """
        return feature_counts(self.graph, self.edge_visits(start))

    def log_probability(self, route: Array) -> float:
        """Log P(ζ | θ, T) given where the route begins.

        Raises:
            RouteGraphError: the route leaves the graph, or does not end at the destination.
        """
        states = self.graph.states(route)
        if states[-1] != self.destination:
            raise RouteGraphError(
                f"The route ends in state {states[-1]}, not at the destination {self.destination}."
            )
        return float(np.sum(self.edge_log_probability[route]))

    def sample(self, rng: np.random.Generator, origin: int) -> Array:
        """A path from Eq. 4's distribution, as edges, integer [T].

        Raises:
            RouteGraphError: no path leads from the origin to the destination.
        """
        self._require_reachable(np.array([origin]))
        edges: list[int] = []
        state = origin
        while state != self.destination:
            leaving = self.graph.edges_from(state)
            sums = np.cumsum(np.exp(self.edge_log_probability[leaving]))
            # Sums to 1 but for rounding.
            chosen = np.searchsorted(sums, rng.random() * sums[-1], side="right")
            edges.append(int(leaving[chosen]))
            state = int(self.graph.edge_target[edges[-1]])
        return np.array(edges, dtype=np.int64)

    def _visits(self, start: Array, edge_probability: Array) -> Array:
        graph = self.graph
        self._require_reachable(np.flatnonzero(start))
        used = edge_probability > 0
        # Step 5, D_{k, t+1} = Σ_i Σ_j D_{i, t} P(a_ij | s_i) P(s_k | a_ij, s_i), and step 6's sum.
        moves = _matrix(
            graph.num_states,
            graph.edge_target[used],
            graph.edge_source[used],
            edge_probability[used],
        )
        try:
            states = np.exp(series.log_sum(moves, start, elementwise=False))
        except series.SeriesError as error:
            raise RouteGraphError(
                f"The policy may never arrive at the destination {self.destination}: it stays "
                f"around state {error.state}. Let an action lead from there to the destination."
            ) from error
        return states[graph.edge_source] * edge_probability

    def _require_reachable(self, origins: Array) -> None:
        lost = origins[~np.isfinite(self.log_partition[origins])]
        if len(lost):
            raise RouteGraphError(
                f"No route leads from state {lost[0]} to the destination {self.destination}: leave "
                "the pair out, or join the two."
            )


def converges_to_all(graph: RouteGraph, theta: Array) -> bool:
    """Whether the partition function converges to every destination: found fast, in one go.

    Paths to one destination do not go on from there, so they are some of those that this looks at.
    False proves nothing: to those destinations that matter it may converge.

    Args:
        graph: the graph.
        theta: float64 [K].
    """
    edge_weight = _edge_weights(graph, theta)
    with np.errstate(over="ignore"):
        weights = np.exp(edge_weight)
    return series.vanishes(_matrix(graph.num_states, graph.edge_source, graph.edge_target, weights))


def feature_counts(graph: RouteGraph, edge_visits: Array) -> Array:
    """The features of so many visits of each edge, summed: float64 [K]."""
    return np.bincount(graph.edge_action, edge_visits, len(graph.action_state)) @ graph.features


def _edge_weights(graph: RouteGraph, theta: Array) -> Array:
    """Of each edge: the logarithm of what it multiplies the weight of a path by, float64 [E]."""
    rewards = graph.rewards(theta)
    return rewards[graph.edge_action] + np.log(graph.edge_probability)


def _log_partition(graph: RouteGraph, edge_weight: Array, destination: int) -> Array:
    """The backward pass, log Z of each state, [S].

    Z is divided by the weight of the best path, so the numbers are from 1 upwards wherever the
    destination can be reached from, and no path's weight underflows.
    """
    best = best_paths(graph, edge_weight, destination).value
    open_edge = np.isfinite(best[graph.edge_target]) & (graph.edge_source != destination)
    source, target = graph.edge_source[open_edge], graph.edge_target[open_edge]
    weights = np.exp(edge_weight[open_edge] + best[target] - best[source])
    arrived = np.zeros(graph.num_states)
    arrived[destination] = 1.0
    # Step 2, Z ← MZ with 1 added at the destination each time, is the sum of Mⁿ of that 1.
    matrix = _matrix(graph.num_states, source, target, weights)
    try:
        return best + series.log_sum(matrix, arrived, elementwise=True)
    except series.SeriesError as error:
        beginning = (
            f"The partition function of the paths to {destination} diverges: going round a cycle "
            f"through state {error.state} costs"
            if error.certain
            else f"The partition function of the paths to {destination} has not converged: cycles "
            f"around state {error.state} may cost"
        )
        raise DivergenceError(
            f"{beginning} so little that paths count for more the longer they are. Make costs "
            "higher (theta more negative), or remove an edge of the cycle."
        ) from error


def _matrix(num_states: int, row: Array, column: Array, values: Array) -> sparse.csr_matrix:
    return sparse.csr_matrix((values, (row, column)), shape=(num_states, num_states))
