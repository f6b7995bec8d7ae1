"""The dm_control suite's environments, named `control:<domain>:<task>`."""

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

# How the source of a domain declares a task.
_TASK = re.compile(r"^@SUITE\.add\(.*\)\n(?:@.*\n)*def (\w+)", re.MULTILINE)

# The tasks that cannot be made canonical, with the reasons.
UNSUPPORTED: dict[str, str] = {
    "lqr:lqr_2_1": "its actions are forces without bounds",
    "lqr:lqr_6_2": "its actions are forces without bounds",
}


def names() -> list[str]:
    """Lists the supported tasks of the suite, as `<domain>:<task>`, sorted."""
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


def load(
    name: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Loads the task `<domain>:<task>`; raises what `check` does.

    Args:
        name: `<domain>:<task>`.
        seed: the seed of its random numbers.
        rendered: whether it will be rendered, which it need not know.
        arguments: keyword arguments of the task's constructor, such as `time_limit` in seconds.
    """
    del rendered
    check(name)
    domain, task = name.split(":")
    environment = _suite().load(domain, task, task_kwargs={**(arguments or {}), "random": seed})
    if name == "quadruped:escape":
        _without_renderer(environment.physics)
    return environment


@functools.lru_cache(maxsize=1)
def _all_names() -> frozenset[str]:
    """All tasks of the suite, read from its source, as importing it is slow."""
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
    # Observations are states, never pixels; by default dm_control would look for a display.
    os.environ.setdefault("MUJOCO_GL", "disable")
    from dm_control import suite

    mujoco_log.install()
    return suite


def _without_renderer(physics: Any) -> None:
    """Lets a task that reads `physics.contexts` run without a renderer.

    At every reset quadruped-escape copies its new terrain to the renderer "if we have a rendering
    context". But the property that it checks creates a context, and raises without a renderer. The
    simulated terrain is already in the model, so the physics does not change.
    """
    try:
        _ = physics.contexts
    except Exception:  # Each rendering backend has its own error.
        physics.__class__ = type(
            "HeadlessPhysics", (type(physics),), {"contexts": property(lambda self: None)}
        )
