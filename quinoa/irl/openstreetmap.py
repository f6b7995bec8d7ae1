"""Road networks from OpenStreetMap: `read_graphml` a file of OSMnx's, or `download` a place.

OSMnx (Boeing, 2017) gets the roads of a place and simplifies them to junctions and segments:

    graph = osmnx.graph_from_place("Piedmont, California", network_type="drive")
    osmnx.save_graphml(graph, "piedmont.graphml")

A file is read without OSMnx; to download, install the extra `osm`. Data of OpenStreetMap
are under the Open Database License: name its contributors where you publish what you make of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from quinoa.irl import graphml, road_network
from quinoa.irl.graphml import AttributedGraph
from quinoa.irl.road_network import LANES, ROAD_TYPES, SPEEDS, RoadNetwork
from quinoa.irl.route_graph import Array, RouteGraphError

_METRES_PER_MILE = 1609.344
_MILES_PER_DEGREE = 69.09  # Of latitude, the mean.
# Where the tag `highway` has several values, the first of these counts.
_ROAD_TYPES = {
    "motorway": "interstate",
    "trunk": "highway",
    "primary": "highway",
    "secondary": "arterial",
    "tertiary": "collector",
    **dict.fromkeys(("motorway_link", "trunk_link", "primary_link"), "connector"),
    **dict.fromkeys(("secondary_link", "tertiary_link"), "connector"),
    **dict.fromkeys(("unclassified", "residential", "living_street", "road"), "local"),
    **dict.fromkeys(("service", "services", "track", "busway"), "local"),
}
# Miles per hour where no road of the type has a speed in the map.
_USUAL_SPEED = {
    "interstate": 65.0,
    "highway": 45.0,
    "arterial": 35.0,
    "collector": 35.0,
    "local": 25.0,
    "connector": 35.0,
}


class StreetMap(NamedTuple):
    """A road network, and what OpenStreetMap calls its parts.

    Attributes:
        network: its states are directed segments, in the order of the file's edges. Its junctions
            are in miles from the middle of the map.
        nodes: of each junction the node's id.
        names: of each segment the name of its road; "" where it has none.
    """

    network: RoadNetwork
    nodes: list[str]
    names: list[str]


def read_graphml(path: Path | str) -> StreetMap:
    """Reads a file that `osmnx.save_graphml` or `networkx.write_graphml` has written.

    Raises:
        RouteGraphError: it cannot be read, or has no roads for cars.
    """
    try:
        return _street_map(graphml.read(Path(path)))
    except RouteGraphError as error:
        if str(path) in str(error):
            raise
        raise RouteGraphError(f"{path}: {error}") from error


def from_networkx(graph: Any) -> StreetMap:
    """The road network of a graph of networkx's, such as OSMnx gives.

    Raises:
        RouteGraphError: it has no roads for cars.
    """
    return _street_map(
        AttributedGraph(
            graph.is_directed(),
            dict(graph.graph),
            dict(graph.nodes(data=True)),
            list(graph.edges(data=True)),
        )
    )


def download(place: str) -> StreetMap:
    """Downloads the roads of a place for cars, such as `Piedmont, California`, through OSMnx.

    Raises:
        RouteGraphError: OSMnx is not installed.
    """
    try:
        import osmnx
    except ImportError as error:
        raise RouteGraphError(
            "To download roads, install OSMnx: pip install 'path/to/quinoa[osm]'. A file that it "
            "wrote elsewhere is read without it, by read_graphml."
        ) from error
    return from_networkx(osmnx.graph_from_place(place, network_type="drive"))


def _street_map(graph: AttributedGraph) -> StreetMap:
    if not graph.edges:
        raise RouteGraphError("The graph has no edges: give one with roads.")
    index = {node: number for number, node in enumerate(graph.nodes)}
    position = np.array([_position(node, data) for node, data in graph.nodes.items()])
    scale = _miles_per_unit(graph, position)
    middle = (position.min(axis=0) + position.max(axis=0)) / 2
    junctions = (position - middle) * scale
    edges = list(graph.edges)
    if not graph.directed:
        edges += [(head, tail, data) for tail, head, data in graph.edges]
    tail = np.array([index[edge[0]] for edge in edges])
    head = np.array([index[edge[1]] for edge in edges])
    road_type = np.array([_road_type(data) for _, _, data in edges])
    roads: dict[tuple[object, ...], int] = {}
    leaving, arriving, miles = [], [], []
    road = np.empty(len(edges), dtype=np.int64)
    for number, (one, other, data) in enumerate(edges):
        line = _line(data, position[index[one]], position[index[other]]) * scale
        steps = np.diff(line, axis=0)
        steps = steps[np.any(steps != 0, axis=1)]
        # A loop without a shape has no direction: any will do, as all its turns are sharp.
        leaving.append(steps[0] if len(steps) else np.array([1.0, 0.0]))
        arriving.append(steps[-1] if len(steps) else np.array([1.0, 0.0]))
        length = _numbers(data.get("length"))
        miles.append(length[0] / _METRES_PER_MILE if length else np.hypot(*steps.T).sum())
        ids = tuple(sorted(_texts(data.get("osmid"))))
        key = (min(index[one], index[other]), max(index[one], index[other]), ids)
        road[number] = roads.setdefault(key, len(roads))
    if not min(miles) > 0:
        raise RouteGraphError(
            f"The edge from {edges[int(np.argmin(miles))][0]} to {edges[int(np.argmin(miles))][1]} "
            "has no length: give it one, in metres, or leave it out."
        )
    network = road_network.connect(
        junctions,
        tail,
        head,
        np.array(miles),
        road_type,
        _speeds([data for _, _, data in edges], road_type),
        np.array([_lanes(data, kind) for (_, _, data), kind in zip(edges, road_type, strict=True)]),
        road=road,
        leaving=np.array(leaving),
        arriving=np.array(arriving),
    )
    names = [" / ".join(_texts(data.get("name"))) for _, _, data in edges]
    return StreetMap(network, [str(node) for node in graph.nodes], names)


def _position(node: object, data: dict[str, object]) -> tuple[float, float]:
    try:
        return float(str(data["x"])), float(str(data["y"]))
    except (KeyError, ValueError) as error:
        raise RouteGraphError(
            f"Node {node} has no position: it must have the numbers x and y, as OSMnx writes them."
        ) from error


def _miles_per_unit(graph: AttributedGraph, position: Array) -> Array:
    """Miles per unit of x and of y, [2]: of degrees, or of metres if the graph was projected."""
    reference = str(graph.attributes.get("crs", "")).lower()
    degrees = bool(np.all(np.abs(position) <= [180.0, 90.0]))
    if reference and not reference.endswith("4326"):
        degrees = False
    if not degrees:
        return np.full(2, 1 / _METRES_PER_MILE)
    return _MILES_PER_DEGREE * np.array([np.cos(np.radians(position[:, 1].mean())), 1.0])


def _line(data: dict[str, object], one: Array, other: Array) -> Array:
    """The points of an edge, float64 [P, 2]: of its well-known text, or its two nodes."""
    text = str(data.get("geometry", ""))
    if not text:
        return np.array([one, other])
    found = re.fullmatch(r"LINESTRING (?:Z )?\((.*)\)", text.strip())
    if not found:
        raise RouteGraphError(f"An edge's geometry must be a LINESTRING, not {text[:40]!r}.")
    points = np.array([[float(x) for x in point.split()[:2]] for point in found[1].split(",")])
    # An edge that was made to lead both ways has the points in one order only.
    backwards = np.sum((points[0] - one) ** 2) > np.sum((points[-1] - one) ** 2)
    return points[::-1] if backwards else points


def _road_type(data: dict[str, object]) -> int:
    kinds = _texts(data.get("highway"))
    for known, road_type in _ROAD_TYPES.items():
        if known in kinds:
            return ROAD_TYPES.index(road_type)
    what = f"has highway={'/'.join(kinds)}" if kinds else "has no tag highway"
    raise RouteGraphError(
        f"A road {what}: it is no road for cars. Get roads with "
        "osmnx.graph_from_place(PLACE, network_type='drive')."
    )


def _speeds(tags: Sequence[dict[str, object]], road_type: Array) -> Array:
    """The class of each road's speed, integer [S]. An unknown one is its type's mean in the map."""
    known = np.array([_miles_per_hour(data) for data in tags])
    for number, name in enumerate(ROAD_TYPES):
        of_type = road_type == number
        told = of_type & np.isfinite(known)
        known[of_type & ~told] = known[told].mean() if told.any() else _USUAL_SPEED[name]
    return np.argmin(np.abs(known[:, None] - np.array(SPEEDS)), axis=1)


def _miles_per_hour(data: dict[str, object]) -> float:
    """The mean of what is known; NaN if nothing is. Without a unit, it is km/h."""
    imputed = _numbers(data.get("speed_kph"))
    if imputed:
        return imputed[0] * 1000 / _METRES_PER_MILE
    found = []
    for text in _texts(data.get("maxspeed")):
        number = re.match(r"\d+(\.\d+)?", text)
        if number:
            in_miles = text.rstrip().endswith("mph")
            found.append(float(number[0]) * (1 if in_miles else 1000 / _METRES_PER_MILE))
        elif text == "none":
            found.append(float(SPEEDS[0]))
        elif text == "walk":
            found.append(float(SPEEDS[-1]))
    return float(np.mean(found)) if found else np.nan


def _lanes(data: dict[str, object], road_type: int) -> int:
    """The class of the lanes in one direction: the tag counts both, but on one-way roads."""
    numbers = _numbers(data.get("lanes"))
    if not numbers:
        return LANES.index(2 if ROAD_TYPES[road_type] == "interstate" else 1)
    one_way = any(text.lower() in ("true", "yes", "1", "-1") for text in _texts(data.get("oneway")))
    count = np.mean(numbers) / (1 if one_way else 2)
    return LANES.index(int(np.clip(np.ceil(count), LANES[0], LANES[-1])))


def _texts(value: object) -> list[str]:
    """A tag's values, as texts: OSMnx writes several as the text of a list."""
    if value is None or value == "":
        return []
    if isinstance(value, str) and value.startswith("["):
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            return [str(value)]
    if isinstance(value, (list, tuple, set)):
        return [str(each) for each in value]
    return [str(value)]


def _numbers(value: object) -> list[float]:
    found = []
    for text in _texts(value):
        try:
            found.append(float(text))
        except ValueError:
            continue
    return [number for number in found if np.isfinite(number)]
