"""What installed packages offer by name: agents and environments declared as entry points.

A package declares, say in its pyproject.toml,

    [project.entry-points."quinoa.agents"]
    my_agent = "my_package.my_agent"

    [project.entry-points."quinoa.environments"]
    my_task = "my_package.my_module:my_factory"

and each name then stands for its import path. Nothing is imported before it is asked for.
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
        name: what it is asked for by.
        path: the import path that the name stands for.
        package: the distribution that declares it.
    """

    name: str
    path: str
    package: str


class AmbiguousNameError(ValueError):
    """Several packages declare the same name."""


def installed(group: str) -> tuple[Plugin, ...]:
    """All entry points of a group (`AGENTS` or `ENVIRONMENTS`), in the order of their names."""
    return _installed(group, tuple(sys.path))


def names(group: str) -> list[str]:
    """The names of a group, each once."""
    return list(dict.fromkeys(plugin.name for plugin in installed(group)))


def find(group: str, name: str) -> Plugin | None:
    """The entry point of a name, None where no package declares it.

    Raises:
        AmbiguousNameError: more than one does.
    """
    found = [plugin for plugin in installed(group) if plugin.name == name]
    if len(found) > 1:
        declared = " and ".join(f"{plugin.package} ({plugin.path})" for plugin in found)
        raise AmbiguousNameError(
            f"The name {name!r} is declared by {declared}: give the import path of the one that is "
            "meant, or uninstall the other."
        )
    return found[0] if found else None


# Names are looked up often, by the path that packages are found on, and reading what all of them
# declare takes a tenth of a second.
@functools.lru_cache(maxsize=8)
def _installed(group: str, path: tuple[str, ...]) -> tuple[Plugin, ...]:
    found: dict[tuple[str, str], Plugin] = {}
    for distribution in importlib.metadata.distributions(path=list(path)):
        try:
            entry_points = [entry for entry in distribution.entry_points if entry.group == group]
        except Exception:
            # A package whose file cannot be read: not ours to mend, and none of ours to miss.
            continue
        for entry in entry_points:
            package = distribution.metadata["Name"] or "a package without a name"
            normalized = re.sub(r"[-_.]+", "-", package).lower()
            # Extras, which nobody needs here, follow in brackets.
            value = entry.value.partition("[")[0].strip()
            # Of a package that is there twice, as is one that is developed, Python takes the first.
            found.setdefault((normalized, entry.name), Plugin(entry.name, value, package))
    return tuple(sorted(found.values()))
