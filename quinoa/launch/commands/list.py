"""Shows agents, presets and environments, or the settings of one agent or preset."""

from __future__ import annotations

import collections
import json
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa.config import descriptions, parsing
from quinoa.config.fields import ConfigError, shown
from quinoa.launch.commands.base import OK, Command, expect
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.terminal.wrapping import terminal_width, wrapped

if TYPE_CHECKING:
    from quinoa.environments.plugins import Plugin


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    del values
    process_environment.set_for_this_process(tries_drawing=False, needs_room=False)
    lean_imports.install()
    if arguments:
        expect(arguments, 1, "list takes nothing, or one agent or preset")
        _show_settings(arguments[0])
    else:
        _show_names()
    return OK


def _show_settings(name: str) -> None:
    """Shows the settings of an agent or a preset; raises `ExperimentError` where there is none."""
    from quinoa.agents import registry
    from quinoa.launch import presets

    preset = presets.load(name) if presets.is_name(name) else None
    try:
        agent = registry.load_config(name if preset is None else preset.flags["agent"])
        config = parsing.override(agent.config, {} if preset is None else preset.settings)
    except (registry.UnknownAgentError, ConfigError) as error:
        where = "" if preset is None else f"The preset {preset.name}: "
        raise ExperimentError(f"{where}{error}") from error
    width = terminal_width(sys.stdout)
    if preset is None:
        print(wrapped(f"{agent.name}: {agent.about}", width))
    else:
        print(wrapped(f"{preset.name}: {preset.description}", width))
        for flag, text in preset.flags.items():
            print(f"  --{flag}={text}")
        for argument, value in preset.env_kwargs.items():
            print(f"  --env_set={argument}={json.dumps(value)}")
    owner = None
    for setting in descriptions.described(config):
        if setting.owner is not owner:
            owner = setting.owner
            print(f"\n{wrapped(_about(owner), width)}")
        value, default = shown(setting.value), shown(setting.default)
        changed = f" (default {default})" if value != default else ""
        kind = f"{setting.kind}, {setting.bounds}" if setting.bounds else setting.kind
        print(wrapped(f"  {setting.name}={value}{changed}  {kind}", width))
        for line in textwrap.wrap(setting.about, max(width - 6, 20), break_long_words=False):
            print(f"      {line}")
    print(f"\n{wrapped('To change one: --set NAME=VALUE', width)}")


def _about(config_class: type) -> str:
    """The first sentence of a configuration's docstring, or its name where it has none."""
    text = (config_class.__doc__ or "").strip().splitlines()[:1]
    # What a dataclass without a docstring gets.
    if not text or text[0].startswith(f"{config_class.__name__}("):
        return f"{config_class.__module__}.{config_class.__qualname__}:"
    # A point within a name, as in `quinoa.agents`, ends no sentence.
    return f"{re.split(r'[.;](?=[ ]|$)', text[0])[0]}:"


def _show_names() -> None:
    from quinoa import environments
    from quinoa.agents import registry
    from quinoa.environments import plugins
    from quinoa.launch import presets

    agents = sorted(registry.names(), key=lambda agent: agent[0] != registry.DEFAULT_AGENT)
    width = max(len(name) for name, _ in agents)
    _show("Agents (--agent):")
    for name, about in agents:
        _show(f"  {name:{width}}  {about}")
    built_in = {name for name, _ in agents}
    _show_plugins(plugins.installed(plugins.AGENTS), built_in.__contains__)
    _show("  or the import path of your own: my_package.my_agent, my_package.my_agent:preset")
    _show("\nPresets (--preset), an agent with its settings and a task:")
    width = max(len(preset.name) for preset in presets.every())
    for preset in presets.every():
        _show(f"  {preset.name:{width}}  {preset.description}")
    _show("\nEnvironments (--env):")
    for name in environments.list_environments():
        _show(f"  {name}")
    _show_plugins(plugins.installed(plugins.ENVIRONMENTS), environments.is_built_in)
    _show("  any other id of Gymnasium that its spaces allow: gym:<id>")
    _show("  or a function that makes your own: my_package.my_module:my_factory")


def _show_plugins(found: Sequence[Plugin], is_taken: Callable[[str], bool]) -> None:
    """Shows what installed packages declare, without importing any of it."""
    count = collections.Counter(plugin.name for plugin in found)
    for name, path, package in found:
        note = ""
        if is_taken(name):
            note = "; hidden by the built-in one: use the import path"
        elif count[name] > 1:
            note = "; not the only one of this name: use the import path"
        _show(f"  {name}  {path} (from {package}{note})")


def _show(text: str) -> None:
    """Prints a text, broken between words where it is wider than the terminal that it goes to."""
    print(wrapped(text, terminal_width(sys.stdout)) if sys.stdout.isatty() else text)


COMMAND = Command(
    "[AGENT|PRESET]",
    "show agents, presets and environments, or one's settings",
    "Of an agent or preset, shows the settings: name, value, default, bounds, and what each is.\n\n"
    "  quinoa list\n"
    "  quinoa list my_package.my_agent",
    flags.FlagValues,
    _run,
)
