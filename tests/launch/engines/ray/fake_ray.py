"""As much of Ray as an engine's module needs, in this process: actors are objects with threads.

Put in the place of the package by `install`, where Ray is not installed.
"""

from __future__ import annotations

import concurrent.futures
import sys
import types
from typing import Any

_MAX_THREADS = 4


class RayError(Exception):
    """The base class of Ray's errors."""


class ActorDiedError(RayError):
    """An actor is gone for good."""


class ActorUnavailableError(RayError):
    """An actor cannot be reached now."""


class GetTimeoutError(RayError):
    """There is no answer in time."""


class Strategy:
    """Any scheduling strategy: what it was made with."""

    def __init__(self, *arguments: Any, **settings: Any):
        self.arguments, self.settings = arguments, settings


class Actor:
    """An object whose methods are called in threads of its own; `instance` is the object."""

    def __init__(self, instance: Any):
        self.instance = instance
        self.is_killed = False
        self._threads = concurrent.futures.ThreadPoolExecutor(_MAX_THREADS)

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any, **settings: Any) -> concurrent.futures.Future[Any]:
            if self.is_killed:
                failed: concurrent.futures.Future[Any] = concurrent.futures.Future()
                failed.set_exception(ActorDiedError("it was killed"))
                return failed
            return self._threads.submit(getattr(self.instance, name), *arguments, **settings)

        return types.SimpleNamespace(remote=remote)


class _Remote:
    def __init__(self, actor_class: type):
        self._class = actor_class

    def options(self, **settings: Any) -> _Remote:
        del settings
        return self

    def remote(self, *arguments: Any) -> Actor:
        return Actor(self._class(*arguments))


def _get(asked: concurrent.futures.Future[Any], timeout: float | None = None) -> Any:
    try:
        return asked.result(timeout)
    except concurrent.futures.TimeoutError:
        raise GetTimeoutError("no answer") from None


def _wait(
    asked: list[concurrent.futures.Future[Any]], *, num_returns: int = 1, timeout: float
) -> tuple[list[concurrent.futures.Future[Any]], list[concurrent.futures.Future[Any]]]:
    assert num_returns == len(asked)
    done, rest = concurrent.futures.wait(asked, timeout)
    return list(done), list(rest)


def _kill(actor: Actor) -> None:
    actor.is_killed = True


def install(monkeypatch) -> types.ModuleType:
    """Has `import ray` find this, in the test that `monkeypatch` is of."""
    ray, exceptions = types.ModuleType("ray"), types.ModuleType("ray.exceptions")
    util = types.ModuleType("ray.util")
    strategies = types.ModuleType("ray.util.scheduling_strategies")
    errors = (RayError, ActorDiedError, ActorUnavailableError, GetTimeoutError)
    vars(exceptions).update({error.__name__: error for error in errors})
    vars(strategies).update(NodeAffinitySchedulingStrategy=Strategy)
    vars(ray).update(
        exceptions=exceptions, get=_get, kill=_kill, remote=_Remote, util=util, wait=_wait
    )
    for module in (ray, exceptions, util, strategies):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return ray
