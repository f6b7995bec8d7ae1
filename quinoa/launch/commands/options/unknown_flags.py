"""What is said of a flag that a command does not have."""

from __future__ import annotations

import contextlib
import dataclasses

from absl import flags

from quinoa.config import other_libraries
from quinoa.launch import presets
from quinoa.launch.errors import ExperimentError
from quinoa.suggestions import did_you_mean


def message(command: str, values: flags.FlagValues, error: flags.UnrecognizedFlagError) -> str:
    """Says that there is no such flag, and what was probably meant.

    That is a flag of a similar name, or what another library calls by this name, or a setting of
    the agent, which --set gives.

    Args:
        command: its name.
        values: its flags, as far as they were parsed.
        error: what they say of the flag.
    """
    near = _meant(error.flagname, error.flagvalue.partition("=")[2], values)
    return f"{command} has no flag --{error.flagname}.{near} See quinoa {command} --help."


def _meant(name: str, text: str, values: flags.FlagValues) -> str:
    if (flag := other_libraries.flag(name, list(values))) is not None:
        return other_libraries.sentence(name, f"--{flag}")
    settings = _settings(values) if "set" in values else {}
    if (own := name.replace("-", "_")) in settings:
        return f" It is a setting of the agent: --set {own}={text or '...'}."
    if (here := other_libraries.setting(name, settings)) is not None:
        # Its value need not be the same: some count in other units.
        return other_libraries.sentence(name, f"a setting of the agent here: --set {here}=...")
    return did_you_mean(name, values, "--") or did_you_mean(name, settings, "--set ")


def _settings(values: flags.FlagValues) -> dict[str, None]:
    """The names of the settings of the agents that are meant, as far as that can be told."""
    from quinoa.agents import registry

    known: dict[str, None] = {}
    for agent in _agents(values) or [name for name, _ in registry.names()]:
        with contextlib.suppress(registry.UnknownAgentError):
            fields = dataclasses.fields(registry.load_config(agent).config)
            known |= dict.fromkeys(field.name for field in fields)
    return known


def _agents(values: flags.FlagValues) -> list[str]:
    """The agents that the flags name, themselves or by a preset."""
    # Not as attributes, which flags have only when all of them are parsed.
    given = {name: values[name].value for name in ("agent", "preset") if name in values}
    if agents := given.get("agent"):
        return [agents] if isinstance(agents, str) else list(agents)
    if preset := given.get("preset"):
        with contextlib.suppress(ExperimentError):
            return [presets.load(preset).flags["agent"]]
    return []
