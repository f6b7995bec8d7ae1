"""Road networks, whose states are road segments: so a turn is a feature of an action.

They have the paper's 22 features: miles by road type, by speed and by lanes, and counts of five
kinds of turns. The paper's network, of Pittsburgh, is not public: networks are generated here, and
`quinoa.irl.openstreetmap` reads real ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from quinoa.irl.best_paths import best_paths, best_route
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError

ROAD_TYPES = ("interstate", "highway", "arterial", "collector", "local", "connector")
SPEEDS = (65, 55, 45, 35, 25, 15)  # Miles per hour.
LANES = (1, 2, 3, 4, 5)
TURNS = ("straight", "left", "right", "hard left", "hard right")
FEATURES = (
    *(f"miles of {road_type}" for road_type in ROAD_TYPES),
    *(f"miles at {speed} mph" for speed in SPEEDS),
    *(f"miles with {lanes} lanes" for lanes in LANES),
    *TURNS,
)

_SPACING = 0.1  # Miles between junctions.
_JITTER = 0.15  # Of the spacing: the deviation of a junction from its place in the grid.
_CONNECTORS = 0.05  # The share of blocks with a diagonal road.
_STRAIGHT, _HARD = 30.0, 120.0  # Degrees: turns of less, and of more.


@dataclasses.dataclass(frozen=True, eq=False)
class RoadNetwork:
    """Directed road segments between junctions. U-turns are allowed at dead ends only.

    Attributes:
        graph: its states are the segments, its actions the turns from one into the next. An action
            has the features of the segment that it leaves, and its turn.
        junctions: float64 [J, 2], their positions in miles.
        tail: integer [S], the junction where each segment begins.
        head: integer [S], the junction where it ends.
        miles: float64 [S], its length.
        road_type: integer [S], into `ROAD_TYPES`.
        speed: integer [S], into `SPEEDS`.
        lanes: integer [S], into `LANES`.
        turn: integer [A], into `TURNS`.
    """

    graph: RouteGraph
    junctions: Array
    tail: Array
    head: Array
    miles: Array
    road_type: Array
    speed: Array
    lanes: Array
    turn: Array

    @property
    def places(self) -> Array:
        """Where each segment begins and ends, float64 [S, 2, 2]."""
        return np.stack([self.junctions[self.tail], self.junctions[self.head]], axis=1)

    def hours(self) -> Array:
        """The time to drive along each segment, float64 [S]."""
        return self.miles / np.array(SPEEDS)[self.speed]


def generate(rng: np.random.Generator, rows: int, columns: int) -> RoadNetwork:
    """A network on a distorted grid of junctions.

    Every 16th street is an interstate, every 8th of the others a highway, every 4th an arterial
    road, every 2nd a collector; the rest are local. Some blocks have a diagonal. Faster roads have
    more lanes, by and large.

    Args:
        rng: the network is a function of it.
        rows: junctions from south to north, at least 3.
        columns: junctions from west to east, at least 3.

    Raises:
        RouteGraphError: fewer rows or columns.
    """
    if rows < 3 or columns < 3:
        raise RouteGraphError("A network needs at least 3 rows and 3 columns of junctions.")
    place = np.stack(np.divmod(np.arange(rows * columns), columns)[::-1], axis=1)
    junctions = _SPACING * (place + _JITTER * rng.normal(size=place.shape).clip(-2, 2))
    number = np.arange(rows * columns).reshape(rows, columns)
    blocks = np.flatnonzero(rng.random((rows - 1) * (columns - 1)) < _CONNECTORS)
    # Roads that go east, north and across a block: where they begin and end, and their type.
    begins = (number[:, :-1].ravel(), number[:-1].ravel(), number[:-1, :-1].ravel()[blocks])
    ends = (number[:, 1:].ravel(), number[1:].ravel(), number[1:, 1:].ravel()[blocks])
    types = (
        np.repeat(_street_types(rows), columns - 1),
        np.tile(_street_types(columns), rows - 1),
        np.full(len(blocks), ROAD_TYPES.index("connector")),
    )
    one, other, road_type = (np.concatenate(parts) for parts in (begins, ends, types))
    speed = (np.minimum(road_type, 4) + rng.integers(0, 2, len(one))).clip(0, len(SPEEDS) - 1)
    lanes = (3 - np.minimum(road_type, 3) + rng.integers(0, 2, len(one))).clip(0, len(LANES) - 1)
    # Both directions.
    tail, head = np.concatenate([one, other]), np.concatenate([other, one])
    direction = junctions[head] - junctions[tail]
    return connect(
        junctions,
        tail,
        head,
        np.hypot(*direction.T),
        *(np.tile(each, 2) for each in (road_type, speed, lanes)),
        road=np.tile(np.arange(len(one)), 2),
        leaving=direction,
        arriving=direction,
    )


def connect(
    junctions: Array,
    tail: Array,
    head: Array,
    miles: Array,
    road_type: Array,
    speed: Array,
    lanes: Array,
    *,
    road: Array,
    leaving: Array,
    arriving: Array,
) -> RoadNetwork:
    """The network of given segments: each leads into all that begin where it ends.

    Args:
        junctions: see `RoadNetwork`, as are `tail`, `head`, `miles`, `road_type`, `speed`, `lanes`.
        tail: likewise.
        head: likewise.
        miles: likewise.
        road_type: likewise.
        speed: likewise.
        lanes: likewise.
        road: integer [S], the same for the two directions of a road: into the other direction of
            its own road, a segment leads only where it leads into nothing else.
        leaving: float64 [S, 2], the direction (east, north) of a segment where it begins.
        arriving: float64 [S, 2], its direction where it ends.
    """
    source, target = _successors(tail, head, road, len(junctions))
    turn = _turns(arriving[source], leaving[target])
    features = np.zeros((len(source), len(FEATURES)))
    rows = np.arange(len(source))
    for offset, category in ((0, road_type), (6, speed), (12, lanes)):
        features[rows, offset + category[source]] = miles[source]
    features[rows, 17 + turn] = 1.0
    graph = RouteGraph.deterministic(len(tail), source, target, features)
    return RoadNetwork(graph, junctions, tail, head, miles, road_type, speed, lanes, turn)


def preferences() -> Array:
    """Reward weights of a driver who likes fast and wide roads and dislikes turns: float64 [22]."""
    costs = [1.0, 1.5, 2.0, 3.0, 4.0, 4.0]  # A mile, by road type.
    costs += [3.0, 4.0, 5.0, 7.0, 9.0, 12.0]  # By speed.
    costs += [2.0, 1.5, 1.0, 1.0, 1.0]  # By lanes.
    costs += [0.6, 1.4, 1.0, 2.4, 2.0]  # A turn.
    return -np.array(costs)


def noisy_route(
    rng: np.random.Generator,
    network: RoadNetwork,
    theta: Array,
    origin: int,
    destination: int,
    noise: float,
) -> Array:
    """The cheapest route for a driver who misjudges every cost by a log-normal factor.

    No model that is compared has this distribution.

    Args:
        rng: draws the factors.
        network: the network.
        theta: float64 [22], the driver's weights; none positive.
        origin: the segment where the route begins.
        destination: the segment where it ends.
        noise: the standard deviation of the factors' logarithms.

    Returns:
        The route's edges, integer [T].
    """
    rewards = network.graph.rewards(theta)
    judged = rewards * np.exp(noise * rng.normal(size=len(rewards)))
    return best_route(network.graph, best_paths(network.graph, judged, destination), origin)


def _street_types(count: int) -> Array:
    """The type of the roads along each of so many parallel streets."""
    streets = np.arange(count)
    types = np.full(count, ROAD_TYPES.index("local"))
    for index, every in ((3, 2), (2, 4), (1, 8), (0, 16)):
        types[streets % every == every // 2] = index
    return types


def _successors(tail: Array, head: Array, road: Array, num_junctions: int) -> tuple[Array, Array]:
    """Every segment with each that begins where it ends; its own way back at dead ends only."""
    order = np.argsort(tail, kind="stable")
    count = np.bincount(tail, minlength=num_junctions)
    starts = np.cumsum(count) - count
    source = np.repeat(np.arange(len(tail)), count[head])
    first = np.cumsum(count[head]) - count[head]
    target = order[starts[head[source]] + np.arange(len(source)) - first[source]]
    back = (head[target] == tail[source]) & (road[target] == road[source])
    others = np.bincount(source[~back], minlength=len(tail))
    kept = ~back | (others[source] == 0)
    return source[kept], target[kept]


def _turns(before: Array, after: Array) -> Array:
    """The kind of each turn, from the directions [A, 2] before and after it."""
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = np.degrees(np.arctan2(cross, np.sum(before * after, axis=1)))
    left = np.where(angle > _HARD, 3, 1)
    right = np.where(angle < -_HARD, 4, 2)
    return np.where(np.abs(angle) < _STRAIGHT, 0, np.where(angle > 0, left, right))
