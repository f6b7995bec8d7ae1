"""Where an environment comes from: a name, a function or class, or an environment object."""

from __future__ import annotations

import copy
import importlib
import random
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import dm_env

from quinoa.environments import gymnasium_env
from quinoa.environments.errors import InvalidEnvironmentError


class EnvironmentSource(NamedTuple):
    """How to make an environment that a user gave.

    Attributes:
        name: a name that `quinoa.environments.make` accepts or, with a `maker`, its name in
            messages.
        maker: a function or class that makes it; None if the name is enough.
        is_ready: whether an environment object was given, of which copies are used.
    """

    name: str
    maker: Callable[..., Any] | None = None
    is_ready: bool = False


def environment_source(env: Any) -> EnvironmentSource:
    """Finds out how to make the environment that a user gave as `env`.

    Args:
        env: a name, a function or class that makes an environment, or an environment of dm_env or
            Gymnasium.

    Raises:
        InvalidEnvironmentError: it is none of these.
    """
    if isinstance(env, str):
        return _named(env)
    if isinstance(env, dm_env.Environment) or gymnasium_env.is_gymnasium(env):
        return EnvironmentSource(type(env).__name__, _Copies(env), is_ready=True)
    if callable(env):
        path = _import_path(env)
        return EnvironmentSource(path) if path is not None else EnvironmentSource(_label(env), env)
    raise InvalidEnvironmentError(
        f"env = {env!r} cannot work: it must be a name, a function or class that makes an "
        "environment, or an environment of dm_env or Gymnasium."
    )


def _named(name: str) -> EnvironmentSource:
    scheme, _, id_ = name.partition(":")
    spec = gymnasium_env.registered(id_) if scheme == "gym" else None
    if spec is None or gymnasium_env.is_registered_everywhere(spec):
        return EnvironmentSource(name)
    # Registered by the user's program, and so not in the processes of a run.
    return EnvironmentSource(name, _Registered(spec))


def _import_path(env: Callable[..., Any]) -> str | None:
    """`package.module:name`, if importing that gives this very object in other processes."""
    module, name = getattr(env, "__module__", None), getattr(env, "__qualname__", None)
    # Importing the main script would run it a second time.
    if not (isinstance(module, str) and isinstance(name, str)) or module == "__main__":
        return None
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    is_named = found is env and isinstance(env, type | types.FunctionType)
    return f"{module}:{name}" if is_named else None


def _label(env: Callable[..., Any]) -> str:
    """The name of a function or class in messages; that of its type if it has none."""
    name = str(getattr(env, "__qualname__", type(env).__name__))
    return name.rpartition("<locals>.")[2].replace("<lambda>", "lambda")


class _Copies:
    """Makes copies of an environment, which itself is not used."""

    def __init__(self, environment: Any):
        self.environment = environment

    def __call__(self, seed: int) -> Any:
        """Makes a copy with random numbers of its own; a `gymnasium.Env` is seeded when reset."""
        try:
            copied = copy.deepcopy(self.environment)
        except Exception as error:
            raise InvalidEnvironmentError(
                f"The environment {type(self.environment).__name__} cannot be copied, and more "
                f"than one is needed, to train in and to evaluate ({type(error).__name__}: "
                f"{error}): give the class, or a function that makes it, as env=lambda seed: ..."
            ) from error
        if isinstance(copied, dm_env.Environment):
            _reseed(copied, seed)
        return copied


def _reseed(environment: dm_env.Environment, seed: int) -> None:
    """Seeds the generators of random numbers that an environment and its task hold.

    Otherwise each copy draws what every other draws, and ten episodes are the same one.
    """
    # Imported here: the command line imports this module, and answers at once.
    import numpy as np

    owners: list[Any] = [environment]
    for owner in owners:
        for name, value in getattr(owner, "__dict__", {}).items():
            if isinstance(value, np.random.RandomState | random.Random):
                value.seed(seed)
            elif isinstance(value, np.random.Generator):
                value.bit_generator.state = type(value.bit_generator)(seed).state
            is_part = name.strip("_") == "task" or isinstance(value, dm_env.Environment)
            # A wrapper's environment may hold the wrapper.
            if is_part and all(value is not other for other in owners):
                owners.append(value)


class _Registered:
    """Makes an environment that the user's program registered with Gymnasium."""

    def __init__(self, spec: Any):
        self._spec = spec

    def __call__(self, render_mode: str | None = None, **arguments: Any) -> Any:
        """Calls `gymnasium.make`."""
        import gymnasium

        if render_mode is not None:
            arguments["render_mode"] = render_mode
        return gymnasium.make(self._spec, disable_env_checker=True, **arguments)
