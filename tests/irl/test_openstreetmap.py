import importlib.util
from pathlib import Path

import numpy as np
import pytest

from quinoa.irl import openstreetmap, road_network
from quinoa.irl.inference import most_likely_route
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import RouteGraphError

# Of no real place, as osmnx.save_graphml 2.0.7 writes it.
VILLAGE = Path(__file__).with_name("village.graphml")


@pytest.fixture(scope="module")
def village() -> openstreetmap.StreetMap:
    return openstreetmap.read_graphml(VILLAGE)


def segment(village: openstreetmap.StreetMap, tail: str, head: str, which: int = 0) -> int:
    network, nodes = village.network, village.nodes
    ends = (network.tail == nodes.index(tail)) & (network.head == nodes.index(head))
    return int(np.flatnonzero(ends)[which])


def tags(village: openstreetmap.StreetMap, tail: str, head: str) -> tuple[str, int, int, str]:
    network, number = village.network, segment(village, tail, head)
    return (
        road_network.ROAD_TYPES[network.road_type[number]],
        road_network.SPEEDS[network.speed[number]],
        road_network.LANES[network.lanes[number]],
        village.names[number],
    )


def turns(village: openstreetmap.StreetMap, tail: str, head: str) -> dict[str, str]:
    """Of each junction that comes next, the turn to there."""
    network, graph = village.network, village.network.graph
    return {
        village.nodes[network.head[graph.edge_target[edge]]]: road_network.TURNS[network.turn[edge]]
        for edge in graph.edges_from(segment(village, tail, head))
    }


def test_tags_become_the_22_features(village):
    assert village.network.graph.num_features == 22
    assert tags(village, "1", "2") == ("arterial", 35, 1, "Hauptstraße")
    # Several values: the road's higher type, the mean speed, lanes of one direction.
    assert tags(village, "3", "2") == ("arterial", 25, 2, "Hauptstraße")
    assert tags(village, "5", "6") == ("interstate", 65, 3, "")
    # What is unknown: the mean of the type's roads on the map, or what is usual.
    assert tags(village, "2", "4") == ("local", 25, 1, "Am Hang")
    assert tags(village, "2", "5") == ("connector", 35, 1, "")
    number = segment(village, "1", "2")
    features = village.network.graph.features[village.network.graph.edges_from(number)]
    assert features[:, :17].sum(axis=1) == pytest.approx(np.full(3, 3 * 715.9 / 1609.344))
    # Positions are in miles too.
    step = np.diff(village.network.junctions[[0, 1]], axis=0)
    assert step[0] == pytest.approx([0.444, 0.0], abs=2e-3)


def test_turns_follow_the_shapes_of_roads(village):
    assert turns(village, "1", "2") == {"3": "straight", "4": "left", "5": "right"}
    assert turns(village, "4", "2") == {"1": "right", "3": "left", "5": "straight"}
    # Back at a dead end only.
    assert turns(village, "2", "4") == {"2": "hard left"}
    # The same two junctions, by another road.
    assert set(turns(village, "3", "6")) == {"3"}
    assert len(village.network.graph.edges_from(segment(village, "3", "6"))) == 1
    # Nobody enters a motorway against its direction.
    assert set(turns(village, "5", "6")) == {"3"}


def test_routes_on_a_map_are_inferred_as_on_any_network(village):
    graph, theta = village.network.graph, road_network.preferences()
    origin, destination = segment(village, "1", "2"), segment(village, "3", "2")
    route = graph.states(most_likely_route(graph, theta, origin, destination))
    ways = [village.nodes[village.network.head[state]] for state in route]
    assert ways == ["2", "5", "6", "3", "2"]
    assert np.isfinite(PathDistribution(graph, theta, destination).log_partition[origin])


def test_a_graph_without_directions_has_both(tmp_path):
    path = tmp_path / "undirected.graphml"
    text = VILLAGE.read_text(encoding="utf-8")
    path.write_text(text.replace('"directed"', '"undirected"'), encoding="utf-8")
    found = openstreetmap.read_graphml(path).network
    assert found.graph.num_states == 2 * text.count("<edge ")
    ways = list(zip(found.tail, found.head, strict=True))
    assert sorted(ways) == sorted((head, tail) for tail, head in ways)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("motorway_link", "footway", "A road has highway=footway: it is no road for cars"),
        ('"x"', '"longitude"', "Node 1 has no position: it must have the numbers x and y"),
        ("1112.0", "0", "The edge from 2 to 5 has no length"),
        ("LINESTRING", "POINT", r"geometry must be a LINESTRING, not 'POINT \(10"),
        ('source="1"', 'source="9"', "is damaged: an edge joins "),
        ('id="d8" for', 'id="d80" for', "is damaged: it declares no key d8"),
        ("</graphml>", "", "cannot be read as GraphML: no element found"),
        ("graphml", "svg", "is not GraphML: its outermost element is"),
    ],
)
def test_a_file_without_a_map_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "map.graphml"
    path.write_text(VILLAGE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(RouteGraphError, match=message) as error:
        openstreetmap.read_graphml(path)
    assert str(error.value).count(str(path)) == 1
    with pytest.raises(RouteGraphError, match="cannot be read as GraphML: No such file"):
        openstreetmap.read_graphml(tmp_path / "none.graphml")


@pytest.mark.skipif(bool(importlib.util.find_spec("osmnx")), reason="OSMnx is installed")
def test_downloading_needs_osmnx():
    with pytest.raises(RouteGraphError, match=r"pip install 'path/to/quinoa\[osm\]'"):
        openstreetmap.download("Piedmont, California")


def test_a_graph_in_memory_is_what_its_file_is(village):
    osmnx = pytest.importorskip("osmnx", reason="the extra osm is not installed")
    found = openstreetmap.from_networkx(osmnx.load_graphml(VILLAGE))
    np.testing.assert_array_equal(found.network.graph.features, village.network.graph.features)
    assert found.nodes == village.nodes and found.names == village.names
