"""Small graphs, and what follows from listing every path."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from quinoa.irl.route_graph import RouteGraph


def layered(rng: np.random.Generator, layers: int = 4, width: int = 3, k: int = 3) -> RouteGraph:
    """Without cycles, and with two edges between some pairs; the last state is the destination."""
    states = [np.arange(layer * width, (layer + 1) * width) for layer in range(layers)]
    last = layers * width
    pairs = [
        pair for one, other in itertools.pairwise(states) for pair in itertools.product(one, other)
    ]
    pairs += [(state, last) for state in states[-1]]
    # A shortcut, and a second way to go the same step.
    pairs += [(0, last), pairs[0]]
    source, target = np.array(pairs).T
    # Of either sign: without a cycle, all converges.
    return RouteGraph.deterministic(last + 1, source, target, rng.normal(size=(len(pairs), k)))


def cyclic(rng: np.random.Generator, states: int = 5, k: int = 3) -> RouteGraph:
    """Every state has an edge to every other one."""
    source, target = np.array(list(itertools.permutations(range(states), 2))).T
    return RouteGraph.deterministic(states, source, target, rng.uniform(0.5, 1.5, (len(source), k)))


def slippery(rng: np.random.Generator, layers: int = 3, width: int = 2, k: int = 2) -> RouteGraph:
    """Stochastic, without cycles; the last state is the destination, and each state leads there."""
    size = layers * width + 1
    transition = np.zeros((size, 2, size))
    for state in range(size - 1):
        after = np.arange((state // width + 1) * width, min((state // width + 2) * width, size))
        after = np.append(after[after < size - 1], size - 1)
        transition[state][:, after] = rng.dirichlet(np.ones(len(after)), 2)
    return RouteGraph.from_tables(transition, rng.normal(size=(size, k)))


def paths(graph: RouteGraph, origin: int, destination: int, longest: int) -> Iterator[list[int]]:
    """Every path to the destination, as edges, up to a length."""
    stack: list[tuple[int, list[int]]] = [(origin, [])]
    while stack:
        state, edges = stack.pop()
        if state == destination:
            yield edges
        elif len(edges) < longest:
            for edge in graph.edges_from(state):
                stack.append((int(graph.edge_target[edge]), [*edges, int(edge)]))


def enumerate_paths(
    graph: RouteGraph, theta: np.ndarray, origin: int, destination: int, longest: int
) -> tuple[list[list[int]], np.ndarray, np.ndarray]:
    """All paths, the weight of each as Eq. 4 has it, and their feature counts [N, K]."""
    found = list(paths(graph, origin, destination, longest))
    features = np.array([graph.features[graph.edge_action[path]].sum(axis=0) for path in found])
    chance = np.array([np.prod(graph.edge_probability[path]) for path in found])
    return found, np.exp(features @ theta) * chance, features
