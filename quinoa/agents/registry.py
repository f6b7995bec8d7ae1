"""Agents by name: the built-in ones, those that installed packages declare, and import paths.

Any module will do that has what `quinoa.agents.protocol` asks for. The configuration of a built-in
agent is there without its class, and so without TensorFlow; a module of the user's is imported
whole.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from quinoa import user_modules
from quinoa.agents.config import AgentConfig, LearnerConfig
from quinoa.environments import plugins
from quinoa.environments.user_code import FailedImportError, MissingModuleError, load_module
from quinoa.suggestions import did_you_mean

if TYPE_CHECKING:
    from quinoa.agents.demonstration_agent import DemonstrationAgent
    from quinoa.agents.protocol import Agent

DEFAULT_AGENT = "iq"

# The packages whose presets go by their bare names.
_BUILT_IN = (
    "quinoa.agents.iq",
    "quinoa.agents.quinoa",
    "quinoa.agents.meow",
    "quinoa.agents.sac",
    "quinoa.agents.crossq",
    "quinoa.agents.svg0",
    "quinoa.agents.ddpg",
    "quinoa.agents.naf",
    "quinoa.agents.smoothie",
    "quinoa.agents.sql",
    "quinoa.agents.dqn",
    "quinoa.agents.a2c",
    "quinoa.agents.maxent_irl",
)

LoadedT = TypeVar("LoadedT")


class UnknownAgentError(ValueError):
    """There is no such agent, or it is not what an agent must be."""


class InvalidAgentError(UnknownAgentError):
    """There is a module of this name, but it is not what an agent must be."""


class LoadedConfig(NamedTuple):
    """An agent's settings, without its class.

    Attributes:
        name: the name it was asked for by.
        about: one line about the agent, or its preset.
        config_class: its configuration, a dataclass that derives from `AgentConfig`.
        config: the preset's configuration, or the defaults.
    """

    name: str
    about: str
    config_class: type[AgentConfig]
    config: AgentConfig


class LoadedAgent(NamedTuple):
    """An agent that is ready to be made.

    Attributes:
        name: the name it was asked for by.
        agent_class: a subclass of `protocol.Agent`.
        config_class: its configuration, a dataclass that derives from `LearnerConfig`.
        config: the preset's configuration, or the defaults.
    """

    name: str
    agent_class: type[Agent]
    config_class: type[LearnerConfig]
    config: LearnerConfig


class _Found(NamedTuple):
    """The module of an agent, imported, and the name of its preset, if one is meant."""

    module: types.ModuleType
    preset: str | None


def load(name: str) -> LoadedAgent:
    """Finds an agent and imports it.

    Args:
        name: a built-in name (see `names`), one that an installed package declares (see
            `quinoa.environments.plugins`), or an import path `my_package.my_agent` of a module that
            has `Agent` and `Config`, or `my_package.my_agent:preset` for one of its `PRESETS`; or
            the same with a file, `my_agent.py` and `my_agent.py:preset`.

    Raises:
        UnknownAgentError: there is none, with the names nearest to it.
        InvalidAgentError: there is a module, but it cannot be imported, or lacks something.
    """
    return _by_name(name, _agent)


def load_demonstration_agent(name: str) -> type[DemonstrationAgent]:
    """The class of an agent that learns from demonstrations alone; see `load`."""
    return _by_name(name, _demonstration_agent)


def load_config(name: str) -> LoadedConfig:
    """The same of its configuration alone: without TensorFlow for a built-in agent."""
    return _by_name(name, _config)


def _by_name(name: str, read: Callable[[str, _Found], LoadedT]) -> LoadedT:
    """Finds an agent and reads what is wanted of it; errors as those of `load`."""
    if (built_in := _built_in(name)) is not None:
        return read(name, built_in)
    plugin = _plugin(name)
    if plugin is None:
        return read(name, _at_path(name))
    try:
        return read(name, _at_path(plugin.path))
    except UnknownAgentError as error:
        raise InvalidAgentError(
            f"Agent {name!r}, which {plugin.package} declares, cannot be had: {error}"
        ) from error


def import_path(name: str) -> str:
    """What to keep of an agent's name: where it comes from, whatever declares the name.

    Returns:
        The import path of a name that an installed package declares; the absolute path of a file;
        any other name as it is.

    Raises:
        UnknownAgentError: several packages declare it.
    """
    plugin = None if _built_in(name) is not None else _plugin(name)
    return user_modules.absolute(name) if plugin is None else plugin.path


def moved(name: str) -> str:
    """Today's name of an agent in a run that was saved when our packages had no name in common.

    Args:
        name: as that run has it; then, `agents.iq` was the import path of `quinoa.agents.iq`.
    """
    return f"quinoa.{name}" if f"quinoa.{name.partition(':')[0]}" in _BUILT_IN else name


def _built_in(name: str) -> _Found | None:
    for package in _BUILT_IN:
        module = _import(package)
        if name in module.PRESETS:
            return _Found(module, name)
    return None


def _plugin(name: str) -> plugins.Plugin | None:
    try:
        return plugins.find(plugins.AGENTS, name)
    except plugins.AmbiguousNameError as error:
        raise UnknownAgentError(str(error)) from error


def _at_path(name: str) -> _Found:
    named = user_modules.parse(name)
    if named is None or not (named.attribute or "." in name or _is_module(name)):
        known = [*(name for name, _ in names()), *plugins.names(plugins.AGENTS)]
        raise UnknownAgentError(
            f"There is no agent {name!r}.{did_you_mean(name, known)} "
            f"The agents are {', '.join(known)}; one of your own is named by its import path "
            "(my_package.my_agent) or its file (./my_agent.py)."
        )
    module = _import(named.module)
    if named.attribute is None:
        return _Found(module, None)
    presets = getattr(module, "PRESETS", {})
    if named.attribute not in presets:
        known = sorted(presets)
        has = f"has {', '.join(known)}" if known else "has no PRESETS"
        raise UnknownAgentError(
            f"Agent {name!r}: {named.module} {has}.{did_you_mean(named.attribute, known)}"
        )
    return _Found(module, named.attribute)


def acting_names() -> list[str]:
    """The names of the built-in agents that `load` gives: those that act in an environment."""
    return [
        name for name, _ in names() if issubclass(load_config(name).config_class, LearnerConfig)
    ]


def names() -> list[tuple[str, str]]:
    """The built-in agents, (name, one line about it) each."""
    result = []
    for package in _BUILT_IN:
        module = _import(package)
        defaults = module.Config()
        for name, config in module.PRESETS.items():
            changed = [
                f"{field.name}={getattr(config, field.name)}"
                for field in dataclasses.fields(config)
                if getattr(config, field.name) != getattr(defaults, field.name)
            ]
            about = _about(module, name)
            result.append((name, f"{about} ({', '.join(changed)})" if changed else about))
    return result


def _import(module: str) -> types.ModuleType:
    try:
        return load_module(module)
    except MissingModuleError as error:
        if module.endswith(".py"):
            raise UnknownAgentError(f"{error}, to load an agent from.") from error
        raise UnknownAgentError(
            f"There is no module {error.name!r} to load the agent {module!r} from: run this from "
            "the folder that has it, or put that folder on PYTHONPATH."
        ) from error
    except FailedImportError as error:
        raise InvalidAgentError(f"Agent {module!r} cannot be imported: {error}") from error


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        # One that is loaded and was not found by a spec, as `__main__`.
        return True


def _agent(name: str, found: _Found) -> LoadedAgent:
    # Needs TensorFlow.
    from quinoa.agents.demonstration_agent import DemonstrationAgent
    from quinoa.agents.protocol import Agent

    here = getattr(found.module, "Agent", None)
    if isinstance(here, type) and issubclass(here, DemonstrationAgent):
        raise InvalidAgentError(
            f"The agent {name} learns from demonstrations alone, and acts in no environment."
        )
    agent_class: type[Agent] = _class(name, found.module, "Agent", Agent)
    loaded = _config(name, found)
    config_class, config = loaded.config_class, loaded.config
    if not (issubclass(config_class, LearnerConfig) and isinstance(config, LearnerConfig)):
        raise InvalidAgentError(
            f"Agent {name!r}: its Config must derive from OffPolicyConfig or OnPolicyConfig."
        )
    return LoadedAgent(name, agent_class, config_class, config)


def _demonstration_agent(name: str, found: _Found) -> type[DemonstrationAgent]:
    from quinoa.agents.demonstration_agent import DemonstrationAgent

    agent_class: type[DemonstrationAgent] = _class(name, found.module, "Agent", DemonstrationAgent)
    return agent_class


def _config(name: str, found: _Found) -> LoadedConfig:
    module, preset = found
    config_class: type[AgentConfig] = _class(name, module, "Config", AgentConfig)
    if preset is not None:
        config = module.PRESETS[preset]
    else:
        try:
            config = config_class()
        except (TypeError, ValueError) as error:
            raise InvalidAgentError(
                f"Agent {name!r}: its Config cannot be made from its defaults: {error}"
            ) from error
    if not isinstance(config, config_class):
        raise InvalidAgentError(
            f"Agent {name!r}: its preset is a {type(config).__name__}, not a "
            f"{config_class.__name__} of {module.__name__}."
        )
    return LoadedConfig(name, _about(module, preset), config_class, config)


def _about(module: types.ModuleType, preset: str | None) -> str:
    """What the module's `ABOUT` says of the preset, or else the first line of its docstring."""
    if preset is not None and preset in (about := getattr(module, "ABOUT", {})):
        return str(about[preset])
    return (module.__doc__ or module.__name__).strip().splitlines()[0].rstrip(".:")


def _class(name: str, module: types.ModuleType, attribute: str, base: type) -> Any:
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        has = "has no" if found is None else "has another kind of"
        raise InvalidAgentError(
            f"Agent {name!r}: {module.__name__} {has} {attribute}; it must be a class that "
            f"derives from {base.__module__}.{base.__name__}."
        )
    return found
