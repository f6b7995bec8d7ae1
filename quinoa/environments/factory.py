"""Environments of the user's own: `package.module:factory`, `file.py:factory`, or the object."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dm_env

from quinoa import user_modules
from quinoa.environments import gymnasium_env
from quinoa.environments.errors import InvalidEnvironmentError, UnknownEnvironmentError
from quinoa.environments.user_code import described


def is_factory_name(name: str) -> bool:
    """Whether the name has the form `package.module:factory` or `file.py:factory`."""
    named = user_modules.parse(name)
    return named is not None and named.attribute is not None


def check(name: str, known: Callable[[], Sequence[str]]) -> None:
    """Checks that the outermost package of the module, or its file, is there; imports nothing.

    Raises:
        UnknownEnvironmentError: it is not.
    """
    named = user_modules.parse(name)
    assert named is not None
    if named.is_file:
        if not os.path.isfile(named.module):
            raise UnknownEnvironmentError(
                f"There is no environment {name!r}: There is no file {named.module}."
            )
        return
    package = named.module.partition(".")[0]
    if package not in sys.modules and importlib.util.find_spec(package) is None:
        raise _no_module(name, package, known)


def load(
    name: str,
    seed: int,
    arguments: Mapping[str, Any] | None = None,
    *,
    known: Callable[[], Sequence[str]],
    rendered: bool = False,
) -> dm_env.Environment:
    """Calls the factory of a name; see `call`.

    Args:
        name: `package.module:factory`, or `file.py:factory`.
        seed: for the factory.
        arguments: for the factory.
        known: lists other environments' names, of which the name may be a slip.
        rendered: whether the environment is to be drawn.

    Raises:
        UnknownEnvironmentError: there is no such module, or nothing of that name in it.
        InvalidEnvironmentError: importing the module fails, the factory cannot be called so, or
            what it returns is no environment.
    """
    return call(_find(name, known), name, seed, arguments or {}, rendered=rendered)


def call(
    factory: Callable[..., Any],
    name: str,
    seed: int,
    arguments: Mapping[str, Any],
    *,
    rendered: bool = False,
) -> dm_env.Environment:
    """Makes an environment with a function or class of the user's own.

    It is called with the arguments, and with `seed=seed` if it takes that. What the factory itself
    raises is passed on unchanged, for `make` to say.

    Args:
        factory: makes a `dm_env.Environment` or a `gymnasium.Env`, of which the latter gets the
            seed with its first reset.
        name: what errors call it.
        seed: for the environment.
        arguments: keyword arguments.
        rendered: whether the environment is to be drawn: a class of Gymnasium's is then made with
            `render_mode="rgb_array"`, if it takes that.

    Raises:
        InvalidEnvironmentError: the factory cannot be called so, or what it returns is no
            environment, or another's space.
    """
    given = dict(arguments)
    if rendered and "render_mode" not in given and _names(factory, "render_mode"):
        given["render_mode"] = "rgb_array"
    environment = _called(factory, name, seed, given)
    return adapt(environment, name, seed)


def adapt(environment: Any, name: str, seed: int) -> dm_env.Environment:
    """An environment of either kind as a `dm_env.Environment`.

    Args:
        environment: a `dm_env.Environment`, or a `gymnasium.Env`.
        name: what errors call it.
        seed: of the first reset, for Gymnasium's.

    Raises:
        InvalidEnvironmentError: it is neither, or has spaces that are not supported.
    """
    if isinstance(environment, dm_env.Environment):
        return environment
    if gymnasium_env.is_gymnasium(environment):
        return gymnasium_env.GymnasiumEnvironment(environment, seed, name)
    raise InvalidEnvironmentError(
        f"{name} returned an object of type {type(environment).__name__}, not a "
        "dm_env.Environment or a gymnasium.Env."
    )


def _find(name: str, known: Callable[[], Sequence[str]]) -> Callable[..., Any]:
    named = user_modules.parse(name)
    assert named is not None and named.attribute is not None
    module_name = named.module
    try:
        found: Any = user_modules.load(module_name)
    except ModuleNotFoundError as error:
        if named.is_file and error.name == module_name:
            raise UnknownEnvironmentError(f"There is no environment {name!r}: {error}.") from None
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise _no_module(name, error.name, known) from None
        raise InvalidEnvironmentError(f"{name}: importing {module_name} failed: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InvalidEnvironmentError(
            f"{name}: importing {module_name} failed: {described(error)}"
        ) from error
    owner = f"the module {module_name}"
    for attribute in named.attribute.split("."):
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
    maker: Callable[..., Any] = found
    return maker


def _no_module(
    name: str, module: str, known: Callable[[], Sequence[str]]
) -> UnknownEnvironmentError:
    return UnknownEnvironmentError.suggesting(
        name,
        known(),
        f"There is no module {module} either: run this from the folder that has it, or put that "
        "folder on PYTHONPATH.",
    )


def _called(factory: Callable[..., Any], name: str, seed: int, arguments: dict[str, Any]) -> Any:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # Some functions written in C do not tell theirs.
        return factory(**arguments)
    takes_seed = _names(factory, "seed") or (
        # Any keyword will do for a function; others hand it on to what may not know it.
        inspect.isroutine(factory)
        and any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    )
    if takes_seed:
        arguments = {"seed": seed, **arguments}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        if not takes_seed and _takes_one_more(signature, arguments):
            return factory(seed, **arguments)
        raise InvalidEnvironmentError(
            f"{name}{signature} cannot be called with {', '.join(arguments) or 'nothing'} "
            f"({error}): it needs arguments that --env_set NAME=VALUE, or env_kwargs, can give, "
            "besides seed, which it may take."
        ) from None
    return factory(**arguments)


def _names(factory: Callable[..., Any], parameter: str) -> bool:
    """Whether a parameter of this name is among a callable's own."""
    try:
        found = inspect.signature(factory).parameters.get(parameter)
    except ValueError:
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def _takes_one_more(signature: inspect.Signature, arguments: Mapping[str, Any]) -> bool:
    """Whether one argument by position is all that is missing: a seed of another name."""
    try:
        signature.bind(0, **arguments)
    except TypeError:
        return False
    return True
