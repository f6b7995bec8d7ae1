"""Environments by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dm_env

from quinoa import user_modules
from quinoa.environments import (
    acme_specs,
    adroit,
    control,
    factory,
    gymnasium_env,
    plugins,
)
from quinoa.environments.canonical import CanonicalEnvironment, check_action_repeat
from quinoa.environments.errors import (
    InvalidEnvironmentError,
    NotRenderableError,
    UnknownEnvironmentError,
)
from quinoa.environments.seeds import MAX_SEED
from quinoa.environments.user_code import described

if TYPE_CHECKING:
    from acme import specs


def make(
    name: str,
    seed: int,
    *,
    action_repeat: int = 1,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
    maker: Callable[..., Any] | None = None,
) -> CanonicalEnvironment:
    """Makes an environment in canonical form (see `CanonicalEnvironment`).

    The same name and seed give the same trajectory for the same actions. (For a factory of the
    user's own that holds if it takes and uses the seed.)

    Args:
        name: `control:<domain>:<task>` (dm_control suite), `gym:<id>` (Gymnasium),
            `adroit:<task>` (the Adroit hand), a name that an installed package declares
            (`quinoa.environments.plugins`), or `package.module:factory` or `file.py:factory`, a
            function or class of the user's own that makes a `dm_env.Environment` or a
            `gymnasium.Env`; it is called with `seed=` if it takes that.
        seed: from 0 to 2**31 - 1 (`MAX_SEED`).
        action_repeat: how many steps of the named environment one step makes.
        rendered: whether `quinoa.environments.rendering` is to draw it; some are then made
            differently.
        arguments: keyword arguments for what makes the environment: the function or class,
            Gymnasium's `make`, or the task of the control suite.
        maker: the function or class itself, where the name does not say where it is.

    Raises:
        NotRenderableError: it is to be drawn, and has no pictures.
        UnknownEnvironmentError: no environment has this name; the error names similar ones.
        InvalidEnvironmentError: there is one, but it cannot be made here or made canonical, or
            whatever else making it raises (which is the cause).
        ValueError: the seed or `action_repeat` is out of range.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed must be an integer from 0 to 2**31 - 1, not {seed!r}.")
    check_action_repeat(action_repeat)
    arguments = dict(arguments or {})
    try:
        if maker is not None:
            environment = factory.call(maker, name, seed, arguments, rendered=rendered)
        else:
            environment = _load(name, seed, rendered, arguments)
        try:
            return CanonicalEnvironment(environment, name=name, action_repeat=action_repeat)
        except BaseException:
            with contextlib.suppress(Exception, SystemExit):  # What is wrong with it is said below.
                environment.close()
            raise
    except (
        UnknownEnvironmentError,
        InvalidEnvironmentError,
        NotRenderableError,
        KeyboardInterrupt,
    ):
        raise
    except BaseException as error:
        raise InvalidEnvironmentError(
            f"{name} fails when it is made: {described(error)}"
        ) from error


def check_name(name: str) -> None:
    """Refuses a name that no environment can have, before anything that takes long is imported.

    Modules of the user's are looked for and not imported, so `make` may refuse the name still.

    Raises:
        UnknownEnvironmentError: no environment has this name; the error names similar ones.
        InvalidEnvironmentError: there is one that cannot be made here.
    """
    scheme, _, rest = name.partition(":")
    if scheme == "control":
        control.check(rest)
    elif scheme == "gym":
        gymnasium_env.check(rest)
    elif scheme == "adroit":
        adroit.check(rest)
    else:
        factory.check(_factory_path(name), known=known_names)


def list_environments() -> list[str]:
    """The names that `make` knows: the tasks of dm_control and Adroit, and Gymnasium's MuJoCo ids.

    Any other id that is registered with Gymnasium can be made as well, if its spaces allow.
    """
    return [
        *(f"control:{name}" for name in control.names()),
        *(f"gym:{id_}" for id_ in gymnasium_env.names()),
        *(f"adroit:{task}" for task in adroit.names()),
    ]


def environment_spec(environment: dm_env.Environment) -> specs.EnvironmentSpec:
    """The specs of an environment, in the form that Acme's networks and agents take."""
    return acme_specs.make_spec(
        observations=environment.observation_spec(),
        actions=environment.action_spec(),
        rewards=environment.reward_spec(),
        discounts=environment.discount_spec(),
    )


def import_path(name: str) -> str:
    """What to keep of an environment's name: where it comes from, whatever declares the name.

    Returns:
        The import path of a name that an installed package declares; the absolute path of a file;
        any other name as it is.

    Raises:
        InvalidEnvironmentError: several packages declare it.
    """
    if is_built_in(name):
        return name
    try:
        plugin = plugins.find(plugins.ENVIRONMENTS, name)
    except plugins.AmbiguousNameError as error:
        raise InvalidEnvironmentError(str(error)) from error
    return user_modules.absolute(name) if plugin is None else plugin.path


def is_built_in(name: str) -> bool:
    """Whether a name is of this project's own kinds, which nothing that is installed changes."""
    return name.partition(":")[0] in ("adroit", "control", "gym")


def known_names() -> list[str]:
    """All names that can be known: also other ids of Gymnasium, and what packages declare."""
    own = (f"gym:{id_}" for id_ in gymnasium_env.own_ids())
    return [*list_environments(), *own, *plugins.names(plugins.ENVIRONMENTS)]


def _load(name: str, seed: int, rendered: bool, arguments: Mapping[str, Any]) -> dm_env.Environment:
    scheme, _, rest = name.partition(":")
    if scheme == "control":
        return control.load(rest, seed, arguments)
    if scheme == "gym":
        return gymnasium_env.load(rest, seed, rendered=rendered, arguments=arguments)
    if scheme == "adroit":
        return adroit.load(rest, seed, rendered=rendered, arguments=arguments)
    return factory.load(_factory_path(name), seed, arguments, known=known_names, rendered=rendered)


def _factory_path(name: str) -> str:
    """The factory's path that a name is or stands for; raises what `check_name` does."""
    path = import_path(name)
    if factory.is_factory_name(path):
        return path
    if path != name:
        raise InvalidEnvironmentError(
            f"{name}: the package that declares it says {path!r}, which is not "
            "package.module:factory."
        )
    raise UnknownEnvironmentError.suggesting(
        name,
        known_names(),
        "A name is control:<domain>:<task>, gym:<id>, adroit:<task>, package.module:factory or "
        "file.py:factory.",
    )
