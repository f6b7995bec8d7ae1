"""Finds agents and environments that installed packages declare as entry points.

A package declares, say in its pyproject.toml,

    [project.entry-points."quinoa.agents"]
    my_agent = "my_package.my_agent"

    [project.entry-points."quinoa.environments"]
    my_task = "my_package.my_module:my_factory"

and each name then stands for its import path. Nothing is imported until it is needed.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from typing import NamedTuple

AGENTS = "quinoa.agents"
ENVIRONMENTS = "quinoa.environments"


class Plugin(NamedTuple):
    """One entry point.

    Attributes:
        name: its name.
        path: the import path that the name stands for.
        package: the distribution that declares it.
    """

    name: str
    path: str
    package: str


class AmbiguousNameError(ValueError):
    """Several packages declare the same name."""


def installed(group: str) -> tuple[Plugin, ...]:
    """Lists the entry points of a group (`AGENTS` or `ENVIRONMENTS`), sorted by name."""
    return _installed(group, tuple(sys.path))


def names(group: str) -> list[str]:
    """Lists the names of a group, each once."""
    return list(dict.fromkeys(plugin.name for plugin in installed(group)))


def find(group: str, name: str) -> Plugin | None:
    """Finds the entry point of a name, or None.

    Raises:
        AmbiguousNameError: several packages declare it.
    """
    found = [plugin for plugin in installed(group) if plugin.name == name]
    if len(found) > 1:
        declared = " and ".join(f"{plugin.package} ({plugin.path})" for plugin in found)
        raise AmbiguousNameError(
            f"The name {name!r} is declared by {declared}: give the import path of the one that is "
            "meant, or uninstall the other."
        )
    return found[0] if found else None


# Cached by the search path: names are looked up often, and reading the declarations of all packages
# takes a tenth of a second.
@functools.lru_cache(maxsize=8)
def _installed(group: str, path: tuple[str, ...]) -> tuple[Plugin, ...]:
    found: dict[tuple[str, str], Plugin] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        try:
            entry_points = [entry for entry in distribution.entry_points if entry.group == group]
        except Exception:
            # The package's metadata cannot be read; it has no plugin of ours then.
            continue
        for entry in entry_points:
            package = distribution.metadata["Name"] or "a package without a name"
            normalized = re.sub(r"[-_.]+", "-", package).lower()
            # Cut off extras, which follow in brackets and are not needed.
            value = entry.value.partition("[")[0].strip()
            # A package that is developed may be found twice; Python imports the first.
            found.setdefault((normalized, entry.name), Plugin(entry.name, value, package))
    return tuple(sorted(found.values()))
