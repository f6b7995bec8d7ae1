"""Environments of the user's own: `package.module:factory`."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import dm_env

from quinoa.environments.errors import InvalidEnvironmentError, UnknownEnvironmentError

_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_factory_name(name: str) -> bool:
    """Whether the name has the form `package.module:factory`."""
    return _PATTERN.fullmatch(name) is not None


def load(name: str, seed: int, known: Callable[[], Sequence[str]]) -> dm_env.Environment:
    """Calls the factory, with `seed=seed` if it takes that, and without arguments otherwise.

    What the factory itself raises is passed on unchanged.

    Args:
        name: `package.module:factory`.
        seed: for the factory.
        known: lists other environments' names, of which the name may be a slip.

    Raises:
        UnknownEnvironmentError: there is no such module, or nothing of that name in it.
        InvalidEnvironmentError: importing the module fails, the factory cannot be called so, or
            what it returns is not a `dm_env.Environment`.
    """
    factory = _find(name, known)
    environment = factory(seed=seed) if _takes_seed(factory, name) else factory()
    if not isinstance(environment, dm_env.Environment):
        raise InvalidEnvironmentError(
            f"{name} returned an object of type {type(environment).__name__}, not a "
            "dm_env.Environment."
        )
    return environment


def _find(name: str, known: Callable[[], Sequence[str]]) -> Callable[..., Any]:
    module_name, attribute_path = name.split(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise UnknownEnvironmentError.suggesting(
                name,
                known(),
                f"There is no module {error.name} either; is its folder on PYTHONPATH?",
            ) from None
        raise InvalidEnvironmentError(f"{name}: importing {module_name} failed: {error}") from error
    except Exception as error:
        raise InvalidEnvironmentError(
            f"{name}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    owner = f"the module {module_name}"
    for attribute in attribute_path.split("."):
        if not hasattr(found, attribute):
            near = difflib.get_close_matches(attribute, dir(found), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UnknownEnvironmentError(
                f"There is no environment {name!r}: {owner} has no {attribute}.{hint}"
            )
        found = getattr(found, attribute)
        owner = attribute
    if not callable(found):
        raise InvalidEnvironmentError(
            f"{name} is of type {type(found).__name__}, not a function that makes an environment."
        )
    return found


def _takes_seed(factory: Callable[..., Any], name: str) -> bool:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # Some functions written in C do not tell theirs.
        return False
    for arguments in ({"seed": 0}, {}):
        try:
            signature.bind(**arguments)
        except TypeError:
            continue
        return bool(arguments)
    raise InvalidEnvironmentError(
        f"{name}{signature} needs arguments; it must be callable as factory(seed=...) or factory()."
    )
