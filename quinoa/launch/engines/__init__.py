"""Engines: each runs the same experiment, in its own way."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from quinoa.launch.engines.base import Engine, Settings


class _Entry(NamedTuple):
    path: str
    about: str


# By name; an engine's module is imported when it is made.
ENGINES = {
    "local": _Entry(
        "quinoa.launch.engines.local.engine:LocalEngine", "many processes on this machine"
    ),
    "serial": _Entry(
        "quinoa.launch.engines.serial:SerialEngine", "one process, repeatable bit for bit"
    ),
}


def make(name: str, settings: Settings) -> Engine:
    """Makes the engine of a name, a key of `ENGINES`."""
    module, _, attribute = ENGINES[name].path.partition(":")
    engine_class: type[Engine] = getattr(importlib.import_module(module), attribute)
    return engine_class(settings)
