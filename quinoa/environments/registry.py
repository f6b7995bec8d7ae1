"""Makes environments by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import dm_env
import numpy as np

from quinoa import user_modules
from quinoa.environments import (
    acme_specs,
    adroit,
    atari,
    control,
    didactic,
    factory,
    gymnasium_env,
    minatar,
    plugins,
    toy_text,
)
from quinoa.environments.canonical import CanonicalEnvironment, check_action_repeat
from quinoa.environments.errors import (
    InvalidEnvironmentError,
    NotRenderableError,
    UnknownEnvironmentError,
)
from quinoa.environments.user_code import described

if TYPE_CHECKING:
    from acme import specs


class _Suite(Protocol):
    """The functions of a module of built-in environments."""

    def names(self) -> list[str]:
        """Lists what `check` accepts, without the suite's prefix."""

    def check(self, name: str, /) -> None:
        """Raises unless there may be an environment of this name."""

    def load(
        self, name: str, seed: int, /, *, rendered: bool, arguments: Mapping[str, Any] | None
    ) -> dm_env.Environment:
        """Makes the environment of this name."""


# By what stands before the colon, in the order in which they are listed.
_SUITES: Mapping[str, _Suite] = {
    "control": control,
    "gym": gymnasium_env,
    "toy": toy_text,
    "minatar": minatar,
    "atari": atari,
    "adroit": adroit,
    "didactic": didactic,
}

# Seeds fit a C int, since many simulators take no larger ones.
MAX_SEED = 2**31 - 1


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

    The same name and seed give the same trajectory for the same actions. (For a user's
    factory this holds if it takes and uses the seed.)

    Args:
        name: `control:<domain>:<task>` (dm_control suite), `gym:<id>` (Gymnasium),
            `toy:<id>` (its tasks with known probabilities), `minatar:<game>`, `atari:<game>`,
            `adroit:<task>` (the Adroit hand), `didactic:<task>` (those that papers explain
            algorithms with), a name that an installed package declares
            (`quinoa.environments.plugins`), or `package.module:factory` or `file.py:factory`, a
            user's function or class that makes a `dm_env.Environment` or a `gymnasium.Env`; it is
            called with `seed=` if it takes that.
        seed: from 0 to 2**31 - 1 (`MAX_SEED`).
        action_repeat: how many steps of the named environment one step makes.
        rendered: whether `quinoa.environments.rendering` will render it; some environments must
            know when they are made.
        arguments: keyword arguments of the environment's constructor: the function or class,
            Gymnasium's `make`, or the task of the control suite.
        maker: the function or class itself, if it cannot be imported by the name.

    Raises:
        NotRenderableError: it is to be rendered, and cannot be.
        UnknownEnvironmentError: no environment has this name; the error names similar ones.
        InvalidEnvironmentError: the environment cannot be made here or made canonical, or making it
            raised another error (which is the cause).
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
            with contextlib.suppress(
                Exception, SystemExit
            ):  # The first error is the one to report.
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
    """Checks quickly that an environment can have this name, without importing simulators.

    A user's module is located but not imported, so `make` may still refuse the name.

    Raises:
        UnknownEnvironmentError: no environment has this name; the error names similar ones.
        InvalidEnvironmentError: the environment cannot be made here.
    """
    scheme, _, rest = name.partition(":")
    if scheme in _SUITES:
        _SUITES[scheme].check(rest)
    else:
        factory.check(_factory_path(name), known=known_names)


def list_environments() -> list[str]:
    """Lists the suites' environments, of Gymnasium the MuJoCo ids, as names for `make`.

    Other ids that are registered with Gymnasium can be made too, if their spaces are supported.
    """
    return [f"{scheme}:{name}" for scheme, suite in _SUITES.items() for name in suite.names()]


def environment_spec(environment: dm_env.Environment) -> specs.EnvironmentSpec:
    """An environment's specs as Acme's record, which agents take."""
    return acme_specs.make_spec(
        observations=environment.observation_spec(),
        actions=environment.action_spec(),
        rewards=environment.reward_spec(),
        discounts=environment.discount_spec(),
    )


def draw_seeds(sequence: np.random.SeedSequence, count: int) -> list[int]:
    """Draws seeds from 0 to `MAX_SEED`; the same sequence gives the same seeds."""
    return [int(seed) for seed in sequence.generate_state(count) >> 1]


def import_path(name: str) -> str:
    """The form of an environment's name to store, which does not depend on installed packages.

    Returns:
        For a name that an installed package declares, its import path; for a file, its absolute
        path; any other name unchanged.

    Raises:
        InvalidEnvironmentError: several packages declare the name.
    """
    if is_built_in(name):
        return name
    try:
        plugin = plugins.find(plugins.ENVIRONMENTS, name)
    except plugins.AmbiguousNameError as error:
        raise InvalidEnvironmentError(str(error)) from error
    return user_modules.absolute(name) if plugin is None else plugin.path


def is_built_in(name: str) -> bool:
    """Whether a name is of a built-in kind, whose meaning installed packages cannot change."""
    return name.partition(":")[0] in _SUITES


def known_names() -> list[str]:
    """Lists all known names, with Gymnasium's other ids and what installed packages declare."""
    own = (f"gym:{id_}" for id_ in gymnasium_env.own_ids())
    return [*list_environments(), *own, *plugins.names(plugins.ENVIRONMENTS)]


def _load(name: str, seed: int, rendered: bool, arguments: Mapping[str, Any]) -> dm_env.Environment:
    scheme, _, rest = name.partition(":")
    if scheme in _SUITES:
        return _SUITES[scheme].load(rest, seed, rendered=rendered, arguments=arguments)
    return factory.load(_factory_path(name), seed, arguments, known=known_names, rendered=rendered)


def _factory_path(name: str) -> str:
    """The import path of the factory that a name stands for; raises as `check_name` does."""
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
        "A name is control:<domain>:<task>, gym:<id>, toy:<id>, minatar:<game>, atari:<game>, "
        "adroit:<task>, didactic:<task>, package.module:factory or file.py:factory.",
    )
