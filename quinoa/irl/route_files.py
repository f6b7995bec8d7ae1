"""Files of a graph and of routes in it: what `maxent_irl` learns from.

A file is NumPy's archive of arrays, `.npz`, and holds numbers and texts only: reading one runs no
code. S, A, E and K are as in `quinoa.irl`; R is the number of routes.

| array | shape | what it is |
| --- | --- | --- |
| `format` | text [] | `quinoa-routes-1` |
| `num_states` | integer [] | S |
| `action_state` | integer [A] | the state in which each action can be chosen |
| `features` | float64 [A, K] | of each action |
| `edge_action`, `edge_target` | integer [E] | the action of each edge, ascending; where it leads |
| `edge_probability` | float64 [E] | P(target given the action); all 1 if there is no chance |
| `route_edges` | integer [T] | the edges of all routes, one route after the other |
| `route_starts` | integer [R + 1] | route r is `route_edges[route_starts[r] : route_starts[r + 1]]` |
| `feature_names` | text [K] | may be left out |
| `lengths` | float64 [E] | how far it is along each edge; 1 each where it is left out |
| `places` | float64 [S, 2, 2] | where a picture has each state, a line from (x, y) to (x, y); may be left out |
| `theta` | float64 [K] | the weights that the routes are known to come from; may be left out |
"""  # noqa: E501

from __future__ import annotations

import dataclasses
import hashlib
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.route_graph import Array, RouteGraph, RouteGraphError

FORMAT = "quinoa-routes-1"
_GRAPH = ("action_state", "features", "edge_action", "edge_target", "edge_probability")
_FLOATS = ("features", "edge_probability", "lengths", "places", "theta")
_TEXTS = ("format", "feature_names")


class RouteFileError(RouteGraphError):
    """A file is not there, or holds no graph and routes; the message says what to do."""


@dataclasses.dataclass(frozen=True, eq=False)
class RouteDataset:
    """A graph, and routes in it.

    Attributes:
        graph: the graph.
        routes: of each route its edges, integer [T].
        feature_names: K names.
        lengths: float64 [E], how far it is along each edge, at least 0.
        places: float64 [S, 2, 2], where a picture has each state, a line between two points; None
            where that is not known.
        theta: float64 [K], the weights that the routes come from; None where they are not known.

    Raises:
        RouteGraphError: a route leaves the graph, or shapes do not fit.
    """

    graph: RouteGraph
    routes: Sequence[Array]
    feature_names: Sequence[str] = ()
    lengths: Array | None = None
    places: Array | None = None
    theta: Array | None = None

    def __post_init__(self) -> None:
        """Checks that the parts fit together."""
        graph = self.graph
        # Checks the routes.
        Demonstrations(graph, self.routes)
        shapes = {
            "feature_names": (graph.num_features,),
            "lengths": (len(graph.edge_action),),
            "places": (graph.num_states, 2, 2),
            "theta": (graph.num_features,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None or (name == "feature_names" and len(value) == 0):
                continue
            if np.shape(value) != shape:
                raise RouteGraphError(
                    f"{name} must be {list(shape)}, not {list(np.shape(value))}: see "
                    "docs/algorithms/maxent_irl.md."
                )
            if name != "feature_names" and not np.all(np.isfinite(value)):
                raise RouteGraphError(f"{name} must be finite.")
        if self.lengths is not None and np.min(self.lengths, initial=0.0) < 0:
            raise RouteGraphError("lengths must be 0 or more.")

    @property
    def names(self) -> list[str]:
        """What the features are called: `feature 0` and so on where they have no names."""
        given = list(self.feature_names)
        return given or [f"feature {index}" for index in range(self.graph.num_features)]

    @property
    def edge_lengths(self) -> Array:
        """How far it is along each edge, float64 [E]; 1 each where that is not known."""
        return np.ones(len(self.graph.edge_action)) if self.lengths is None else self.lengths

    def fingerprint(self) -> str:
        """The same for the same graph and routes alone: a SHA-256 in hexadecimal."""
        digest = hashlib.sha256()
        for name, value in _arrays(self).items():
            if name in (*_GRAPH, "num_states", "route_edges", "route_starts"):
                digest.update(f"{name} {value.shape} {value.dtype.str}\n".encode())
                digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()


def save(path: str | os.PathLike[str], dataset: RouteDataset) -> None:
    """Writes a file, compressed.

    Args:
        path: of the file, whose name ends in `.npz`.
        dataset: what it is to hold.

    Raises:
        OSError: it cannot be written.
        RouteFileError: its name ends in something else.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise RouteFileError(f"The name of a file of routes must end in .npz, not as {path} does.")
    # A name that another process may read has the whole file or none.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **_arrays(dataset))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# What NumPy and the archive's modules raise of a file that is damaged, or is another.
_UNREADABLE = (
    OSError,
    ValueError,
    AttributeError,
    EOFError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def load(path: str | os.PathLike[str]) -> RouteDataset:
    """Reads a file that `save` wrote, or another program in the same form.

    Raises:
        RouteFileError: there is no such file, or it is none of routes.
        RouteGraphError: a route leaves the graph, or shapes do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise RouteFileError(f"There is no file of routes at {path}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            # A .npy file gives one array, which has no names.
            found = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise RouteFileError(
            f"{path} is no file of routes: it must be an archive of NumPy arrays (.npz) without "
            "Python objects; see docs/algorithms/maxent_irl.md."
        ) from error
    try:
        return _dataset(found)
    except RouteFileError as error:
        raise RouteFileError(f"{path} is no file of routes: {error}") from error
    except RouteGraphError as error:
        raise type(error)(f"{path}: {error}") from error


def _arrays(dataset: RouteDataset) -> dict[str, Array]:
    graph = dataset.graph
    lengths = [len(route) for route in dataset.routes]
    found: dict[str, Any] = {
        "format": np.array(FORMAT),
        "num_states": np.array(graph.num_states, dtype=np.int64),
        "route_edges": np.concatenate(dataset.routes).astype(np.int64),
        "route_starts": np.cumsum([0, *lengths], dtype=np.int64),
    }
    for name in _GRAPH:
        kind = np.float64 if name in _FLOATS else np.int64
        found[name] = np.asarray(getattr(graph, name), dtype=kind)
    if len(dataset.feature_names):
        found["feature_names"] = np.array(list(dataset.feature_names))
    for name in ("lengths", "places", "theta"):
        if getattr(dataset, name) is not None:
            found[name] = np.asarray(getattr(dataset, name), dtype=np.float64)
    return found


def _dataset(found: Mapping[str, Array]) -> RouteDataset:
    needed = ("format", "num_states", *_GRAPH, "route_edges", "route_starts")
    if missing := [name for name in needed if name not in found]:
        raise RouteFileError(f"it lacks {', '.join(missing)}.")
    for name, value in found.items():
        if name in _TEXTS:
            wanted, is_right = "text", value.dtype.kind == "U"
        elif name in _FLOATS:
            wanted, is_right = "numbers", value.dtype.kind in "iuf"
        else:
            wanted, is_right = "integers", value.dtype.kind in "iu"
        if name in (*needed, *_TEXTS, *_FLOATS) and not is_right:
            raise RouteFileError(f"{name} must be {wanted}, not {value.dtype}.")
    if str(found["format"]) != FORMAT:
        raise RouteFileError(f"its format is {str(found['format'])!r}, not {FORMAT!r}.")
    starts, edges = found["route_starts"], found["route_edges"]
    if edges.ndim != 1 or starts.ndim != 1 or len(starts) < 2 or np.any(np.diff(starts) < 1):
        raise RouteFileError("route_starts must hold the beginning of each route, ascending.")
    if starts[0] != 0 or starts[-1] != len(edges):
        raise RouteFileError(
            f"route_starts must lead from 0 to {len(edges)}, the length of route_edges."
        )
    if any(found[name].ndim != 1 for name in _TEXTS if name in found and name != "format"):
        raise RouteFileError("feature_names must have one axis.")
    if found["num_states"].ndim != 0:
        raise RouteFileError("num_states must be one number.")
    if any(found[name].ndim != 1 for name in _GRAPH if name != "features"):
        raise RouteFileError("action_state and edge_* must have one axis each.")
    graph = RouteGraph(
        int(found["num_states"]),
        **{
            name: found[name].astype(np.float64 if name in _FLOATS else np.int64) for name in _GRAPH
        },
    )
    return RouteDataset(
        graph,
        np.split(edges.astype(np.int64), starts[1:-1]),
        [str(name) for name in found.get("feature_names", ())],
        **{
            name: found[name].astype(np.float64)
            for name in ("lengths", "places", "theta")
            if name in found
        },
    )
