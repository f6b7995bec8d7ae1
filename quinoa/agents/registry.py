"""Agents by name: the built-in ones, those that installed packages declare, and import paths.

Any module will do that has what `quinoa.agents.protocol` asks for. The configuration of a built-in
agent is there without its class, and so without TensorFlow; a module of the user's is imported
whole.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from quinoa import user_modules
from quinoa.agents.config import AgentConfig, ConfigError, field_types
from quinoa.environments import plugins
from quinoa.environments.user_code import described
from quinoa.suggestions import did_you_mean

if TYPE_CHECKING:
    from quinoa.agents.protocol import Agent

DEFAULT_AGENT = "iq"

# The packages whose presets go by their bare names.
_BUILT_IN = ("quinoa.agents.iq", "quinoa.agents.quinoa", "quinoa.agents.sac", "quinoa.agents.svg0")

ConfigT = TypeVar("ConfigT", bound=AgentConfig)
LoadedT = TypeVar("LoadedT")


class UnknownAgentError(ValueError):
    """There is no such agent, or it is not what an agent must be."""


class InvalidAgentError(UnknownAgentError):
    """There is a module of this name, but it is not what an agent must be."""


class LoadedConfig(NamedTuple):
    """What an agent can be told, without the agent.

    Attributes:
        name: the name it was asked for by.
        about: one line about the agent.
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
        config_class: its configuration, a dataclass that derives from `AgentConfig`.
        config: the preset's configuration, or the defaults.
    """

    name: str
    agent_class: type[Agent]
    config_class: type[AgentConfig]
    config: AgentConfig


class _Found(NamedTuple):
    """The module of an agent, imported, and which of its presets is meant, if any."""

    module: types.ModuleType
    preset: AgentConfig | None


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
            return _Found(module, module.PRESETS[name])
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
    return _Found(module, presets[named.attribute])


def names() -> list[tuple[str, str]]:
    """The built-in agents, (name, one line about it) each."""
    result = []
    for package in _BUILT_IN:
        module = _import(package)
        about = _about(module)
        defaults = module.Config()
        for name, config in module.PRESETS.items():
            changed = [
                f"{field.name}={getattr(config, field.name)}"
                for field in dataclasses.fields(config)
                if getattr(config, field.name) != getattr(defaults, field.name)
            ]
            result.append((name, f"{about} ({', '.join(changed)})" if changed else about))
    return result


def override(config: ConfigT, assignments: Mapping[str, str]) -> ConfigT:
    """Changes fields of a configuration by what was typed on a command line.

    Args:
        config: what to start from; left as it is.
        assignments: from names of fields to texts, read by the fields' types: `0.1`, `1e6`, `true`,
            `64,64` for a tuple, `none` where that is allowed.

    Raises:
        ConfigError: there is no such field, or its text cannot be read, or the value cannot work.
    """
    types_ = _field_types(type(config))
    values = {}
    for name, text in assignments.items():
        _check_known(name, types_, type(config))
        try:
            values[name] = _parse(text.strip(), types_[name])
        except ConfigError:
            raise
        except ValueError:
            raise ConfigError(
                f"{name} = {text!r} cannot work: it must be {_describe(types_[name])}."
            ) from None
    return _construct(lambda: dataclasses.replace(config, **values))


def to_json(config: AgentConfig) -> dict[str, Any]:
    """The fields of a configuration as JSON holds them (tuples as lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config), allow_nan=False))


def from_json(config_class: type[ConfigT], fields: Mapping[str, Any]) -> ConfigT:
    """Makes the configuration that `to_json` gave `fields` of.

    Raises:
        ConfigError: a field is unknown, missing, of another type, or cannot work.
    """
    types_ = _field_types(config_class)
    for name in fields:
        _check_known(name, types_, config_class)
    missing = [name for name in types_ if name not in fields]
    if missing:
        raise ConfigError(f"{_name(config_class)} lacks {', '.join(missing)}.")
    values = restored(fields, types_)
    return _construct(lambda: config_class(**values))


def restored(fields: Mapping[str, Any], types_: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON holds, as values of types that a configuration's fields may have.

    Args:
        fields: the values by name.
        types_: the type for each name.

    Raises:
        ConfigError: a value is of another type.
    """
    values = {}
    for name, value in fields.items():
        try:
            values[name] = _restore(value, types_[name])
        except ConfigError:
            raise
        except (ValueError, OverflowError):
            raise ConfigError(
                f"{name} = {value!r} cannot work: it must be {_describe(types_[name])}."
            ) from None
    return values


def _import(module: str) -> types.ModuleType:
    try:
        return user_modules.load(module)
    except ModuleNotFoundError as error:
        if module.endswith(".py") and error.name == module:
            raise UnknownAgentError(f"{error}, to load an agent from.") from error
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            raise UnknownAgentError(
                f"There is no module {error.name!r} to load the agent {module!r} from: run this "
                "from the folder that has it, or put that folder on PYTHONPATH."
            ) from error
        raise InvalidAgentError(f"Agent {module!r} cannot be imported: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InvalidAgentError(
            f"Agent {module!r} cannot be imported: {described(error)}"
        ) from error


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:
        # One that is loaded and was not found by a spec, as `__main__`.
        return True


def _agent(name: str, found: _Found) -> LoadedAgent:
    # Needs TensorFlow.
    from quinoa.agents.protocol import Agent

    agent_class: type[Agent] = _class(name, found.module, "Agent", Agent)
    config = _config(name, found)
    return LoadedAgent(name, agent_class, config.config_class, config.config)


def _config(name: str, found: _Found) -> LoadedConfig:
    module, config = found
    config_class: type[AgentConfig] = _class(name, module, "Config", AgentConfig)
    if config is None:
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
    return LoadedConfig(name, _about(module), config_class, config)


def _about(module: types.ModuleType) -> str:
    return (module.__doc__ or module.__name__).strip().splitlines()[0].rstrip(".:")


def _class(name: str, module: types.ModuleType, attribute: str, base: type) -> Any:
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        has = "has no" if found is None else "has another kind of"
        raise InvalidAgentError(
            f"Agent {name!r}: {module.__name__} {has} {attribute}; it must be a class that "
            f"derives from quinoa.agents.protocol.{base.__name__}."
        )
    return found


def _name(config_class: type[AgentConfig]) -> str:
    return f"{config_class.__module__}.{config_class.__qualname__}"


def _check_known(name: str, types_: Mapping[str, Any], config_class: type[AgentConfig]) -> None:
    if name not in types_:
        near = did_you_mean(name, list(types_)) or f" It has {', '.join(types_)}."
        raise ConfigError(f"{_name(config_class)} has no field {name!r}.{near}")


def _construct(make: Any) -> Any:
    """Calls `make`, so that whatever a configuration objects to is a `ConfigError`."""
    try:
        return make()
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _field_types(config_class: type[AgentConfig]) -> dict[str, Any]:
    return {name: kind.hint for name, kind in field_types(config_class).items()}


def _optional_of(hint: Any) -> Any:
    """T of Optional[T], else None."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        if len(members) == 1 and len(typing.get_args(hint)) == 2:
            return members[0]
    return None


def _items_of(hint: Any) -> Any:
    """T of tuple[T, ...], else None."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    return None


_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _parse(text: str, hint: Any) -> Any:
    """Reads a text as a type; raises `ValueError` where it is none."""
    if (inner := _optional_of(hint)) is not None:
        return None if text.lower() == "none" else _parse(text, inner)
    if (item := _items_of(hint)) is not None:
        if text[:1] + text[-1:] in ("()", "[]"):
            text = text[1:-1]
        parts = text.rstrip().removesuffix(",").split(",") if text.strip() else []
        return tuple(_parse(part.strip(), item) for part in parts)
    if hint is bool:
        if text.lower() not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[text.lower()]
    if hint is int:
        return _to_int(text)
    if hint is float:
        return _restore(float(text), float)
    return _restore(text, hint)


def _to_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # 1e6 is meant as an integer.
        if not number.is_integer():
            raise ValueError(text) from None
        return int(number)


def _restore(value: Any, hint: Any) -> Any:
    """Checks what JSON holds against a type; raises `ValueError` where it does not fit."""
    if (inner := _optional_of(hint)) is not None:
        return None if value is None else _restore(value, inner)
    if (item := _items_of(hint)) is not None:
        if not isinstance(value, (list, tuple)):
            raise ValueError(value)
        return tuple(_restore(part, item) for part in value)
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(value)
        if not math.isfinite(value):
            raise ValueError(value)
        return float(value)
    if hint in (bool, int, str):
        if type(value) is not hint:
            raise ValueError(value)
        return value
    if typing.get_origin(hint) is typing.Literal:
        if value not in typing.get_args(hint):
            raise ValueError(value)
        return value
    raise ConfigError(
        f"A configuration's field may be an int, float, bool, str, Literal, tuple[T, ...] or "
        f"Optional of one, not {hint}."
    )


def _describe(hint: Any) -> str:
    if (inner := _optional_of(hint)) is not None:
        return f"{_describe(inner)}, or none"
    if (item := _items_of(hint)) is not None:
        return f"several of these, separated by commas: {_describe(item)}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    names_ = {int: "an integer", float: "a finite number", bool: "true or false", str: "a text"}
    return names_.get(hint, str(hint))
