"""What there is to train and to train in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quinoa.environments import CanonicalEnvironment


def list_agents() -> dict[str, str]:
    """The agents that have names, and a line about each; `quinoa list NAME` shows its settings."""
    from quinoa.agents import registry
    from quinoa.environments import plugins

    installed = {
        plugin.name: f"{plugin.path} (from {plugin.package})"
        for plugin in plugins.installed(plugins.AGENTS)
    }
    return {**installed, **dict(registry.names())}


def list_environments() -> list[str]:
    """The environments that have names; any other id of Gymnasium's can be given as well."""
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
    """Makes an environment as agents see it: a `dm_env.Environment` in canonical form.

    Its observations are flat, float32 [O], and its actions float32 [A] in [-1, 1].

    Args:
        env: a name, a function or class, or an environment; see `Experiment`.
        seed: from 0 to 2**32 - 1.
        action_repeat: how many steps of the environment one step makes.
        env_kwargs: keyword arguments for what makes it.

    Raises:
        ExperimentError: there is no such environment, or it cannot be made canonical.
    """
    from quinoa import environments
    from quinoa.environments.given import given
    from quinoa.launch.errors import ExperimentError

    try:
        found = given(env)
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
