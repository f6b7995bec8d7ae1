"""Which agents and environments go together, so that one can be checked with the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quinoa.launch.errors import ExperimentError

if TYPE_CHECKING:
    from acme import specs

    from quinoa.agents.registry import LoadedAgent

# Small and fast, and with two action dimensions, so that wrong shapes show; and the one for agents
# that take nothing but a finite set of actions.
DEFAULT_ENVIRONMENT, FINITE_ENVIRONMENT = "control:point_mass:easy", "gym:CartPole-v1"


class MadeWith(NamedTuple):
    """How an environment is made.

    Attributes:
        seed: of everything random in it.
        action_repeat: environment steps that each action lasts.
    """

    seed: int
    action_repeat: int


def environment_for(
    agent: LoadedAgent, name: str | None, made_with: MadeWith
) -> tuple[str, specs.EnvironmentSpec]:
    """The environment that an agent is checked on, and its specs.

    Args:
        agent: the agent.
        name: of the environment; None chooses one that fits it.
        made_with: how it is made.

    Raises:
        ExperimentError: the one of that name cannot be made, or does not fit the agent.
    """
    if name is not None:
        spec = spec_of(name, made_with)
        if (why := refusal(agent, spec)) is not None:
            raise ExperimentError(f"The agent {agent.name} cannot be made for {name}: {why}")
        return name, spec
    spec = spec_of(DEFAULT_ENVIRONMENT, made_with)
    if refusal(agent, spec) is not None:
        finite = spec_of(FINITE_ENVIRONMENT, made_with)
        if refusal(agent, finite) is None:
            return FINITE_ENVIRONMENT, finite
    return DEFAULT_ENVIRONMENT, spec


def agent_for(spec: specs.EnvironmentSpec) -> str | None:
    """The first built-in agent that can be made for an environment; None if there is none."""
    from quinoa.agents import registry

    fitting = (
        name for name in registry.acting_names() if refusal(registry.load(name), spec) is None
    )
    return next(fitting, None)


def refusal(agent: LoadedAgent, spec: specs.EnvironmentSpec) -> str | None:
    """Why an agent cannot be made for an environment of these specs, in its own words."""
    from quinoa.agents.canonical_spec import SpecError

    try:
        agent.agent_class.check_spec(spec)
    except SpecError as error:
        return str(error)
    except Exception:
        # A mistake in the agent, which its checks report.
        return None
    return None


def spec_of(name: str, made_with: MadeWith) -> specs.EnvironmentSpec:
    """The specs of an environment.

    Raises:
        ExperimentError: it cannot be made.
    """
    from quinoa import environments

    try:
        made = environments.make(name, made_with.seed, action_repeat=made_with.action_repeat)
    except (environments.UnknownEnvironmentError, environments.InvalidEnvironmentError) as error:
        raise ExperimentError(str(error)) from error
    try:
        return environments.environment_spec(made)
    finally:
        made.close()
