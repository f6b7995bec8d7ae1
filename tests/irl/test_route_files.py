from __future__ import annotations

import numpy as np
import pytest

from quinoa.irl import route_files
from quinoa.irl.generated_routes import RoadRoutes, from_tables
from quinoa.irl.route_files import RouteDataset, RouteFileError
from quinoa.irl.route_graph import RouteGraph, RouteGraphError

GRAPH = RouteGraph.deterministic(3, [0, 0, 1], [1, 2, 2], np.array([[1.0, 0], [0, 1], [1, 0]]))
SMALL = RouteDataset(GRAPH, [np.array([0, 2]), np.array([1])], ["left", "right"])


def test_what_is_written_is_read(tmp_path):
    roads = RoadRoutes(3, 3, routes=4, destinations=2, shortest=2)
    whole = roads.generate(np.random.default_rng(0))
    for dataset in (SMALL, whole):
        path = tmp_path / "routes.npz"
        route_files.save(path, dataset)
        read = route_files.load(path)
        assert read.fingerprint() == dataset.fingerprint()
        assert read.names == dataset.names
        for name in ("lengths", "places", "theta"):
            np.testing.assert_array_equal(getattr(read, name), getattr(dataset, name))
        for one, other in zip(read.routes, dataset.routes, strict=True):
            np.testing.assert_array_equal(one, other)
    assert whole.fingerprint() != SMALL.fingerprint()
    # A function of the seed.
    again = roads.generate(np.random.default_rng(0))
    assert again.fingerprint() == whole.fingerprint()
    assert roads.generate(np.random.default_rng(1)).fingerprint() != whole.fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": np.array("quinoa-routes-9")}, "its format is 'quinoa-routes-9'"),
        ({"features": None}, "it lacks features"),
        ({"edge_target": np.array([1.0, 2.0, 2.0])}, "edge_target must be integers"),
        ({"route_starts": np.array([0, 2, 2, 3])}, "route_starts must hold the beginning"),
        ({"route_starts": np.array([0, 2])}, "route_starts must lead from 0 to 3"),
        ({"route_edges": np.array([0, 1, 1])}, "Demonstration 0: The route leaves the graph"),
        ({"route_edges": np.array([0, 9, 1])}, "edges must be from 0 to 2"),
        ({"lengths": np.ones(2)}, r"lengths must be \[3\]"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(changes, message, tmp_path):
    arrays = {**route_files._arrays(SMALL), **changes}
    path = tmp_path / "routes.npz"
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(RouteGraphError, match=message) as raised:
        route_files.load(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_no_file_of_routes_is_one_sentence(tmp_path):
    with pytest.raises(RouteFileError, match="There is no file of routes at"):
        route_files.load(tmp_path / "nowhere.npz")
    text, pickled, single = (tmp_path / name for name in ("a.csv", "b.npz", "c.npy"))
    text.write_text("from,to\n")
    np.savez(pickled, format=np.array([object()], dtype=object))
    np.save(single, np.zeros(3))
    for path in (text, pickled, single):
        with pytest.raises(RouteFileError, match="is no file of routes: it must be an archive"):
            route_files.load(path)
    with pytest.raises(RouteFileError, match=r"must end in \.npz"):
        route_files.save(tmp_path / "routes.csv", SMALL)
    assert not list(tmp_path.glob(".*"))


def test_routes_of_tables_end_where_episodes_end_best():
    # From 0, an action to 1, which pays, and one that ends badly in 2.
    transition, termination = np.zeros((3, 2, 3)), np.zeros((3, 2, 3))
    transition[0, 0, 1] = transition[0, 1, 2] = 1.0
    transition[1, :, 1] = transition[2, :, 2] = 1.0
    termination[0, :, 1:] = termination[1, :, 1] = termination[2, :, 2] = 1.0
    reward = np.array([[1.0, -1.0], [0, 0], [0, 0]])
    found = from_tables(np.random.default_rng(0), transition, reward, termination, routes=3)
    assert [found.graph.states(route).tolist() for route in found.routes] == [[0, 1]] * 3
    with pytest.raises(RouteGraphError, match="No episode of this process ends"):
        from_tables(np.random.default_rng(0), transition, reward, np.zeros((3, 2, 3)))


def test_a_damaged_file_is_one_sentence(tmp_path):
    path = tmp_path / "routes.npz"
    route_files.save(path, SMALL)
    whole, refused = path.read_bytes(), 0
    for position in range(0, len(whole), max(1, len(whole) // 80)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            route_files.load(path)
        except (RouteFileError, RouteGraphError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20
