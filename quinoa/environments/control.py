"""The dm_control suite: `control:<domain>:<task>`."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dm_env

from quinoa.environments import mujoco_log
from quinoa.environments.errors import InvalidEnvironmentError, UnknownEnvironmentError

# How a domain of the suite declares a task, in its source.
_TASK = re.compile(r"^@SUITE\.add\(.*\)\n(?:@.*\n)*def (\w+)", re.MULTILINE)

# The tasks that cannot be made canonical, and why.
UNSUPPORTED: dict[str, str] = {
    "lqr:lqr_2_1": "its actions are forces without bounds",
    "lqr:lqr_6_2": "its actions are forces without bounds",
}


def names() -> list[str]:
    """Every task of the suite that is supported, as `<domain>:<task>`, sorted."""
    return sorted(name for name in _all_names() if name not in UNSUPPORTED)


def check(name: str) -> None:
    """Checks that there is a task `<domain>:<task>`, without importing the suite.

    Raises:
        UnknownEnvironmentError: the suite has no such task.
        InvalidEnvironmentError: the task is one of `UNSUPPORTED`.
    """
    if name in UNSUPPORTED:
        raise InvalidEnvironmentError(
            f"control:{name} is not supported: {UNSUPPORTED[name]}, so [-1, 1] cannot be mapped to "
            "them."
        )
    if name not in _all_names():
        domains = sorted({known.partition(":")[0] for known in names()})
        domain = name.partition(":")[0]
        tasks = [known for known in names() if known.startswith(f"{domain}:")]
        raise UnknownEnvironmentError.suggesting(
            f"control:{name}",
            [f"control:{known}" for known in names()],
            f"The tasks of {domain} are {', '.join(tasks)}."
            if tasks
            else f"The domains are {', '.join(domains)}.",
        )


def load(name: str, seed: int, arguments: Mapping[str, Any] | None = None) -> dm_env.Environment:
    """Loads the task `<domain>:<task>`; raises what `check` does.

    Args:
        name: of the task.
        seed: of its random numbers.
        arguments: for the function that makes the task, such as `time_limit` in seconds.
    """
    check(name)
    domain, task = name.split(":")
    environment = _suite().load(domain, task, task_kwargs={**(arguments or {}), "random": seed})
    if name == "quadruped:escape":
        _without_renderer(environment.physics)
    return environment


@functools.lru_cache(maxsize=1)
def _all_names() -> frozenset[str]:
    """Every task of the suite, read in its source, as importing it takes a while."""
    package = importlib.util.find_spec("dm_control")
    if package is None or not package.submodule_search_locations:
        return frozenset()
    domains = Path(package.submodule_search_locations[0], "suite").glob("*.py")
    return frozenset(
        f"{path.stem}:{task}"
        for path in domains
        for task in _TASK.findall(path.read_text(encoding="utf-8"))
    )


def _suite() -> Any:
    # The observations are states, never pixels. Without this dm_control looks for a display.
    os.environ.setdefault("MUJOCO_GL", "disable")
    from dm_control import suite

    mujoco_log.install()
    return suite


def _without_renderer(physics: Any) -> None:
    """Lets a task that asks for `physics.contexts` run where nothing can be rendered.

    At every reset quadruped-escape copies its new terrain to the renderer "if we have a rendering
    context". The property that it asks makes one, and raises where there is no renderer. The
    terrain that is simulated is in the model by then, so the physics is the same without.
    """
    try:
        _ = physics.contexts
    except Exception:  # Each of the rendering backends has an error of its own.
        physics.__class__ = type(
            "HeadlessPhysics", (type(physics),), {"contexts": property(lambda self: None)}
        )
