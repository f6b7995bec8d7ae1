"""Makes users' environments by `package.module:factory`, `file.py:factory`, or the function."""

from __future__ import annotations

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
from quinoa.environments.user_code import FailedImportError, MissingModuleError, load_module
from quinoa.suggestions import did_you_mean


def is_factory_name(name: str) -> bool:
    """Whether a name has the form `package.module:factory` or `file.py:factory`."""
    named = user_modules.parse(name)
    return named is not None and named.attribute is not None


def check(name: str, known: Callable[[], Sequence[str]]) -> None:
    """Checks that the module's top-level package, or the file, exists, without importing it.

    Raises:
        UnknownEnvironmentError: it does not exist.
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
    """Imports a factory and calls it; see `call`.

    Args:
        name: `package.module:factory`, or `file.py:factory`.
        seed: the environment's seed.
        arguments: keyword arguments of the factory.
        known: lists other environments' names, in case the name is a misspelling of one.
        rendered: whether the environment will be rendered.

    Raises:
        UnknownEnvironmentError: there is no such module, or it has no such attribute.
        InvalidEnvironmentError: the module cannot be imported, the factory cannot be called with
            these arguments, or it does not return an environment.
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
    """Calls a user's function or class that makes an environment.

    It is called with the arguments, and with `seed=seed` if it takes that. Errors that the factory
    itself raises propagate unchanged.

    Args:
        factory: makes a `dm_env.Environment` or a `gymnasium.Env`. The latter gets the seed at its
            first reset.
        name: its name in error messages.
        seed: the environment's seed.
        arguments: keyword arguments of the factory.
        rendered: whether the environment will be rendered. If so, a factory that takes
            `render_mode` is called with "rgb_array".

    Raises:
        InvalidEnvironmentError: the factory cannot be called with these arguments, or it does not
            return an environment, or one with unsupported spaces.
    """
    given = dict(arguments)
    if rendered and "render_mode" not in given and _has_parameter(factory, "render_mode"):
        given["render_mode"] = "rgb_array"
    environment = _called(factory, name, seed, given)
    return adapt(environment, name, seed)


def adapt(environment: Any, name: str, seed: int) -> dm_env.Environment:
    """Makes a `dm_env.Environment` of an environment of either kind.

    Args:
        environment: a `dm_env.Environment`, or a `gymnasium.Env`.
        name: its name in error messages.
        seed: the seed of the first reset of a `gymnasium.Env`.

    Raises:
        InvalidEnvironmentError: it is neither, or its spaces are not supported.
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
        found: Any = load_module(module_name)
    except MissingModuleError as error:
        if named.is_file:
            raise UnknownEnvironmentError(f"There is no environment {name!r}: {error}.") from None
        raise _no_module(name, str(error.name), known) from None
    except FailedImportError as error:
        raise InvalidEnvironmentError(f"{name}: importing {module_name} failed: {error}") from error
    owner = f"the module {module_name}"
    for attribute in named.attribute.split("."):
        if not hasattr(found, attribute):
            raise UnknownEnvironmentError(
                f"There is no environment {name!r}: {owner} has no {attribute}."
                f"{did_you_mean(attribute, dir(found))}"
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
    except ValueError:  # Some functions written in C have no signature.
        return factory(**arguments)
    takes_seed = _has_parameter(factory, "seed") or (
        # A function with **kwargs takes it; a class may pass kwargs on to one that does not.
        inspect.isroutine(factory)
        and any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    )
    if takes_seed:
        arguments = {"seed": seed, **arguments}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        if not takes_seed and _takes_seed_first(factory, signature, arguments):
            return factory(seed, **arguments)
        raise InvalidEnvironmentError(
            f"{name}{signature} cannot be called with {', '.join(arguments) or 'nothing'} "
            f"({error}): it needs arguments that --env_set NAME=VALUE, or env_kwargs, can give, "
            "besides seed, which it may take."
        ) from None
    return factory(**arguments)


def _has_parameter(factory: Callable[..., Any], parameter: str) -> bool:
    """Whether a callable has a parameter of this name (not counting **kwargs)."""
    try:
        found = inspect.signature(factory).parameters.get(parameter)
    except ValueError:
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def _takes_seed_first(
    factory: Callable[..., Any], signature: inspect.Signature, arguments: Mapping[str, Any]
) -> bool:
    """Whether one positional argument is missing, which is the seed under another name.

    Of a lambda it is, whatever its name; elsewhere it may be a size that was forgotten.
    """
    try:
        signature.bind(0, **arguments)
    except TypeError:
        return False
    first = next(iter(signature.parameters)).lower()
    is_lambda = getattr(factory, "__name__", None) == "<lambda>"
    return is_lambda or any(part in first for part in ("seed", "rng", "random"))
