"""What a user gives as an environment: a name, or an object of their program."""

from __future__ import annotations

import copy
import importlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import dm_env

from quinoa.environments import gymnasium_env
from quinoa.environments.errors import InvalidEnvironmentError


class Given(NamedTuple):
    """An environment as it was given.

    Attributes:
        name: that `quinoa.environments.make` knows; what to call it, where there is a `maker`.
        maker: a function or class that makes it; None where its name is enough.
        is_ready: whether it was given as an environment that was made already.
    """

    name: str
    maker: Callable[..., Any] | None = None
    is_ready: bool = False


def given(env: Any) -> Given:
    """Says what an environment was given as.

    Args:
        env: a name; a class of environments, or a function that makes one, with or without
            `seed`; or an environment, of dm_env or Gymnasium.

    Raises:
        InvalidEnvironmentError: it is nothing of these.
    """
    if isinstance(env, str):
        return _named(env)
    if isinstance(env, dm_env.Environment) or gymnasium_env.is_gymnasium(env):
        return Given(type(env).__name__, _Copies(env), is_ready=True)
    if callable(env):
        path = _import_path(env)
        return Given(path) if path is not None else Given(_label(env), env)
    raise InvalidEnvironmentError(
        f"env = {env!r} cannot work: it must be a name, a function or class that makes an "
        "environment, or an environment of dm_env or Gymnasium."
    )


def _named(name: str) -> Given:
    scheme, _, id_ = name.partition(":")
    spec = gymnasium_env.registered(id_) if scheme == "gym" else None
    if spec is None or gymnasium_env.is_registered_everywhere(spec):
        return Given(name)
    # Registered by the user's program, which other processes have not run.
    return Given(name, _Registered(spec))


def _import_path(env: Callable[..., Any]) -> str | None:
    """`package.module:name`, if other processes find the very object by it."""
    module, name = getattr(env, "__module__", None), getattr(env, "__qualname__", None)
    # A script would run a second time if it was imported.
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
    """What to call a function or class: its name, or of what type it is."""
    name = str(getattr(env, "__qualname__", type(env).__name__))
    return name.rpartition("<locals>.")[2].replace("<lambda>", "lambda")


class _Copies:
    """Makes copies of an environment that is ready, which itself stays as it is."""

    def __init__(self, environment: Any):
        self.environment = environment

    def __call__(self, seed: int) -> Any:
        """A copy; one of Gymnasium's is seeded at its first reset, as `seed` cannot be here."""
        del seed
        try:
            return copy.deepcopy(self.environment)
        except Exception as error:
            raise InvalidEnvironmentError(
                f"The environment {type(self.environment).__name__} cannot be copied, and more "
                f"than one is needed, to train in and to evaluate ({type(error).__name__}: "
                f"{error}): give the class, or a function that makes it, as env=lambda seed: ..."
            ) from error


class _Registered:
    """Makes an environment that the user's program has registered with Gymnasium."""

    def __init__(self, spec: Any):
        self._spec = spec

    def __call__(self, render_mode: str | None = None, **arguments: Any) -> Any:
        """What `gymnasium.make` gives for it."""
        import gymnasium

        if render_mode is not None:
            arguments["render_mode"] = render_mode
        return gymnasium.make(self._spec, disable_env_checker=True, **arguments)
