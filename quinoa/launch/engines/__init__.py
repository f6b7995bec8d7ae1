"""Engines: each runs the same experiment, in its own way."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import NamedTuple

from quinoa.launch.engines.base import Engine, ProcessContext
from quinoa.launch.engines.settings import EngineSettings, LocalSettings, RaySettings


class EngineEntry(NamedTuple):
    """An engine as it is known before it is imported, which takes seconds.

    Attributes:
        path: of its class, `module:class`.
        about: a few words about it, for `--help`.
        settings: the class of its settings.
        is_one_process: whether it runs everything in the process that calls it.
        forks: whether it forks processes from a `WarmParent`.
        is_detached: whether its runs are processes of a cluster, and go on without the process
            that has started them.
    """

    path: str
    about: str
    settings: type[EngineSettings]
    is_one_process: bool
    forks: bool
    is_detached: bool = False


# By name.
ENGINES: Mapping[str, EngineEntry] = {
    "local": EngineEntry(
        "quinoa.launch.engines.local.engine:LocalEngine",
        "many processes on this machine",
        LocalSettings,
        is_one_process=False,
        forks=True,
    ),
    "ray": EngineEntry(
        "quinoa.launch.engines.ray.engine:RayEngine",
        "many processes on the hosts of a Ray cluster",
        RaySettings,
        is_one_process=False,
        forks=False,
        is_detached=True,
    ),
    "serial": EngineEntry(
        "quinoa.launch.engines.serial:SerialEngine",
        "one process, repeatable bit for bit",
        EngineSettings,
        is_one_process=True,
        forks=False,
    ),
}
DEFAULT_ENGINE = "local"


def make(name: str, context: ProcessContext, settings: EngineSettings | None = None) -> Engine:
    """Makes an engine.

    Args:
        name: a key of `ENGINES`.
        context: what the processes of its runs start with.
        settings: of the engine's own class; its defaults where there are none.
    """
    entry = ENGINES[name]
    module, _, attribute = entry.path.partition(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)(
        context, settings or entry.settings()
    )
    return engine
