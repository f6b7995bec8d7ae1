"""Reads GraphML, the format of graph files that networkx and OSMnx write (Brandes et al., 2001).

Only what these two write is understood: nodes and edges with attributes, without nested graphs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from quinoa.irl.route_graph import RouteGraphError

_NAMESPACE = "{http://graphml.graphdrawing.org/xmlns}"


class AttributedGraph(NamedTuple):
    """A graph with attributes, which are texts in a file and of any type in memory.

    Attributes:
        directed: whether edges lead from their first node to their second one only.
        attributes: those of the graph.
        nodes: the attributes of each node.
        edges: of each edge its two nodes and its attributes; several may join the same nodes.
    """

    directed: bool
    attributes: dict[str, object]
    nodes: dict[object, dict[str, object]]
    edges: list[tuple[object, object, dict[str, object]]]


def read(path: Path) -> AttributedGraph:
    """Reads a file.

    Raises:
        RouteGraphError: it cannot be read, or is not GraphML.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        why = getattr(error, "strerror", None) or error
        raise RouteGraphError(f"{path} cannot be read as GraphML: {why}.") from error
    graph = root.find(f"{_NAMESPACE}graph")
    if root.tag != f"{_NAMESPACE}graphml" or graph is None:
        raise RouteGraphError(
            f"{path} is not GraphML: its outermost element is {root.tag}. Write it with "
            "osmnx.save_graphml or networkx.write_graphml."
        )
    names, defaults = {}, {}
    for key in root.iter(f"{_NAMESPACE}key"):
        names[key.get("id")] = key.get("attr.name", "")
        default = key.find(f"{_NAMESPACE}default")
        if default is not None:
            defaults[key.get("for"), key.get("attr.name", "")] = default.text or ""

    def attributes(element: ElementTree.Element, kind: str) -> dict[str, object]:
        found: dict[str, object] = {
            name: value for (of, name), value in defaults.items() if of == kind
        }
        for data in element.findall(f"{_NAMESPACE}data"):
            if data.get("key") not in names:
                raise RouteGraphError(
                    f"{path} is damaged: it declares no key {data.get('key')}, which it uses."
                )
            found[names[data.get("key")]] = data.text or ""
        return found

    nodes: dict[object, dict[str, object]] = {
        node.get("id"): attributes(node, "node") for node in graph.iter(f"{_NAMESPACE}node")
    }
    edges: list[tuple[object, object, dict[str, object]]] = []
    for edge in graph.iter(f"{_NAMESPACE}edge"):
        ends = edge.get("source"), edge.get("target")
        if not all(end in nodes for end in ends):
            raise RouteGraphError(
                f"{path} is damaged: an edge joins {ends}, not both of them nodes."
            )
        edges.append((*ends, attributes(edge, "edge")))
    directed = graph.get("edgedefault") != "undirected"
    return AttributedGraph(directed, attributes(graph, "graph"), nodes, edges)
