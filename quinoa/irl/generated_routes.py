"""Routes whose weights are known: on generated road networks, and in tabular processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from quinoa.irl import road_network
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_files import RouteDataset
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError

# Draws of an origin and a destination, for each route that is wanted, before giving up.
_DRAWS = 100


@dataclasses.dataclass(frozen=True)
class RoadRoutes:
    """A generated road network, and drivers on it.

    Attributes:
        rows: junctions from south to north.
        columns: junctions from west to east.
        routes: how many routes.
        destinations: to how many places.
        costs: what the costs of `road_network.preferences` are multiplied by: with high ones,
            drivers hardly ever leave the best route.
        noise: 0 has drivers follow the maximum-entropy distribution. Above it, a driver takes the
            cheapest route after misjudging each cost by a log-normal factor of this deviation.
        shortest: the fewest actions that a route has.
    """

    rows: int
    columns: int
    routes: int = 120
    destinations: int = 6
    costs: float = 1.5
    noise: float = 0.0
    shortest: int = 5

    def generate(self, rng: np.random.Generator) -> RouteDataset:
        """The network and the routes: a function of `rng`.

        Raises:
            RouteGraphError: a number is too small, or the network too small for such routes.
        """
        if self.routes < 1 or self.destinations < 1 or not self.costs > 0 or self.noise < 0:
            raise RouteGraphError(
                "A generated network needs routes and destinations of at least 1, costs above 0 "
                "and a noise of at least 0."
            )
        network = road_network.generate(rng, self.rows, self.columns)
        graph, theta = network.graph, self.costs * road_network.preferences()
        ends = rng.choice(graph.num_states, min(self.destinations, graph.num_states), replace=False)
        if self.noise:

            def drive(origin: int, end: int) -> Array:
                return road_network.noisy_route(rng, network, theta, origin, end, self.noise)
        else:
            paths = {int(end): PathDistribution(graph, theta, int(end)) for end in ends}

            def drive(origin: int, end: int) -> Array:
                return paths[end].sample(rng, origin)

        everywhere = np.arange(graph.num_states)
        routes = _driven(rng, everywhere, ends, drive, count=self.routes, shortest=self.shortest)
        return RouteDataset(
            graph,
            routes,
            road_network.FEATURES,
            lengths=network.miles[graph.edge_source],
            places=network.places,
            theta=theta,
        )


def from_tables(
    rng: np.random.Generator,
    transition: Array,
    reward: Array,
    termination: Array,
    *,
    routes: int = 100,
    penalty: float = 0.1,
) -> RouteDataset:
    """Routes of a decision process to where it ends best, drawn from Eq. 4's distribution.

    Its features are what an action is, and how negative its reward is. A destination is a state in
    which an episode ends with the highest reward of all that end one.

    Args:
        rng: draws the routes.
        transition: float64 [S, A', S], P(s' | s, a).
        reward: float64 [S, A'], of each action, the mean.
        termination: float64 [S, A', S], the probability that the transition ends the episode.
        routes: how many.
        penalty: what each −1 of reward costs, at least 0. An action costs as much besides that the
            partition function converges.

    Raises:
        RouteGraphError: no episode ends, or a destination cannot be reached.
    """
    num_states, num_actions, _ = transition.shape
    ended = transition * termination
    states = np.arange(num_states)
    # Where nothing but the end of an episode follows, there is nothing to choose.
    is_end = np.all(ended[states, :, states] > 1.0 - 1e-9, axis=1)
    source, action, target = np.nonzero((ended > 0) & ~is_end[:, None, None])
    if len(source) == 0:
        raise RouteGraphError("No episode of this process ends, so that no route does.")
    rewards = reward[source, action]
    ends = np.unique(target[rewards >= rewards.max() - 1e-9])
    is_end[ends] = True
    state, chosen = np.nonzero((transition.sum(axis=2) > 0) & ~is_end[:, None])
    edge_action, edge_target = np.nonzero(transition[state, chosen])
    features = np.zeros((len(state), num_actions + 1))
    features[np.arange(len(state)), chosen] = 1.0
    features[:, -1] = np.maximum(-reward[state, chosen], 0.0)
    graph = RouteGraph(
        num_states,
        state,
        features,
        edge_action,
        edge_target,
        transition[state[edge_action], chosen[edge_action], edge_target],
    )
    # So the weights of all that may follow a state sum to less than 1.
    theta = -np.array([np.log(num_actions) + 0.1] * num_actions + [penalty])
    paths = {int(end): PathDistribution(graph, theta, int(end)) for end in ends}

    def drive(origin: int, end: int) -> Array:
        return paths[end].sample(rng, origin)

    return RouteDataset(
        graph,
        _driven(rng, np.flatnonzero(~is_end), ends, drive, count=routes, shortest=1),
        [*(f"action {index}" for index in range(num_actions)), "penalty"],
        theta=theta,
    )


def _driven(
    rng: np.random.Generator,
    origins: Array,
    ends: Array,
    drive: Callable[[int, int], Array],
    *,
    count: int,
    shortest: int,
) -> list[Array]:
    """So many routes between origins and destinations that are drawn at random."""
    routes: list[Array] = []
    if count < 1:
        raise RouteGraphError(f"routes must be at least 1, not {count}.")
    problem = f"all of them have fewer than {shortest} steps."
    for _ in range(_DRAWS * count):
        origin, end = int(rng.choice(origins)), int(rng.choice(ends))
        if origin == end:
            continue
        try:
            route = drive(origin, end)
        except RouteGraphError as error:
            problem = str(error)
            continue
        if len(route) >= shortest:
            routes.append(route)
        if len(routes) == count:
            return routes
    raise RouteGraphError(f"No {count} routes can be had: {problem}")
