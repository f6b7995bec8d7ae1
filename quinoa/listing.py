"""Lists agents and environments, and makes environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quinoa.environments import CanonicalEnvironment


def list_agents() -> dict[str, str]:
    """Lists the named agents, with a line about each; `quinoa list NAME` shows one's settings."""
    from quinoa.agents import registry
    from quinoa.environments import plugins

    installed = {
        plugin.name: f"{plugin.path} (from {plugin.package})"
        for plugin in plugins.installed(plugins.AGENTS)
    }
    return {**installed, **dict(registry.names())}


def list_environments() -> list[str]:
    """Lists the named environments; other ids of Gymnasium can be used as well."""
    from quinoa import environments
    from quinoa.environments import plugins

    return [*environments.list_environments(), *plugins.names(plugins.ENVIRONMENTS)]


def make_env(
    env: Any,
    seed: int = 0,
    *,
    action_repeat: int = 1,
    env_kwargs: Mapping[str, Any] | None = None,
) -> CanonicalEnvironment:
    """Makes an environment in the canonical form that agents use, a `dm_env.Environment`.

    Its observations are flat, float32 [O], and its actions float32 [A] in [-1, 1], or integers from
    0 to n − 1 where they are a finite set.

    Args:
        env: a name, a function or class, or an environment; see `Experiment`.
        seed: from 0 to 2**32 - 1.
        action_repeat: how many steps of the environment one step makes.
        env_kwargs: keyword arguments of the environment's constructor.

    Raises:
        ExperimentError: there is no such environment, or it cannot be made canonical.
    """
    from quinoa import environments
    from quinoa.environments.source import environment_source
    from quinoa.launch.errors import ExperimentError

    try:
        found = environment_source(env)
        return environments.make(
            found.name,
            seed,
            action_repeat=action_repeat,
            arguments=env_kwargs,
            maker=found.maker,
        )
    except (
        environments.UnknownEnvironmentError,
        environments.InvalidEnvironmentError,
    ) as error:
        raise ExperimentError(str(error)) from error
