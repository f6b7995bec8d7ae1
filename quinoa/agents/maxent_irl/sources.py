"""Where routes come from: a file, a generated road network, or a small task with a known model.

    routes.npz                         a file (`quinoa.irl.route_files`)
    roads:7x7                          a generated network of 7 by 7 junctions, and drivers on it
    roads:7x7,routes=200,noise=0.3     with other settings (`generated_routes.RoadRoutes`)
    toy:FrozenLake-v1                  a task of `quinoa.environments.toy_text`, and routes in it

What is generated is a function of the name and the run's seed, or of `seed=` in the name.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from quinoa.config import parsing
from quinoa.config.fields import ConfigError, fields_of
from quinoa.irl import generated_routes, route_files
from quinoa.irl.generated_routes import RoadRoutes
from quinoa.irl.route_files import RouteDataset, RouteFileError

_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")


@dataclasses.dataclass(frozen=True)
class _Tabular:
    """What a name `toy:` may say beside the task."""

    routes: int = 100


def load(name: str, seed: int) -> RouteDataset:
    """Loads or generates routes.

    Args:
        name: see above.
        seed: of what is generated, where the name does not say another.

    Raises:
        RouteGraphError: there is no such file, it holds no routes, a route leaves its graph, or
            a name is none of these.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind == "roads":
        return _roads(name, rest, seed)
    if colon and kind == "toy":
        return _toy(name, rest, seed)
    if colon and re.fullmatch(r"[a-z_]+", kind):
        raise RouteFileError(
            f"{name} names no routes: give a file of routes (.npz), roads:ROWSxCOLUMNS or toy:TASK."
        )
    return route_files.load(name)


def write(name: str, path: str | os.PathLike[str], seed: int = 0) -> RouteDataset:
    """Writes what a name stands for to a file, `.npz`; errors as those of `load` and `save`."""
    dataset = load(name, seed)
    route_files.save(path, dataset)
    return dataset


def _roads(name: str, rest: str, seed: int) -> RouteDataset:
    size, values = _settings(name, rest)
    found = _SIZE.fullmatch(size)
    if found is None:
        raise RouteFileError(f"{name} must be roads:ROWSxCOLUMNS, as roads:7x7 is.")
    seed = int(values.pop("seed", seed))
    fields = {"rows": found[1], "columns": found[2], **values}
    roads: RoadRoutes = _made(name, RoadRoutes, fields)
    return roads.generate(np.random.default_rng(seed))


def _toy(name: str, rest: str, seed: int) -> RouteDataset:
    from quinoa import environments
    from quinoa.environments import toy_text

    task, values = _settings(name, rest)
    seed = int(values.pop("seed", seed))
    settings = _made(name, _Tabular, values)
    try:
        environment = environments.make(f"toy:{task}", seed)
    except (environments.UnknownEnvironmentError, environments.InvalidEnvironmentError) as error:
        raise RouteFileError(str(error)) from error
    try:
        model = toy_text.tabular_model(environment)
    finally:
        environment.close()
    return generated_routes.from_tables(
        np.random.default_rng(seed),
        model.transition,
        model.reward,
        model.termination,
        routes=settings.routes,
    )


def _settings(name: str, rest: str) -> tuple[str, dict[str, str]]:
    """What is before the first comma, and the NAME=VALUE after it."""
    first, *assignments = rest.split(",")
    values = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not (key and equals) or (key == "seed" and not value.isdecimal()):
            raise RouteFileError(f"{name}: {text!r} cannot be understood: it must be NAME=VALUE.")
        if key == "seed" and int(value) >= 2**31:
            raise RouteFileError(f"{name}: seed must be from 0 to {2**31 - 1}.")
        values[key] = value
    return first, values


def _made(name: str, settings: type[Any], values: Mapping[str, str]) -> Any:
    known = fields_of(settings)
    if unknown := [key for key in values if key not in known]:
        raise RouteFileError(
            f"{name}: there is no {unknown[0]} to be set; it has {', '.join([*known, 'seed'])}."
        )
    try:
        return settings(**{key: parsing.parse(known[key], text) for key, text in values.items()})
    except ConfigError as error:
        raise RouteFileError(f"{name}: {error}") from error
