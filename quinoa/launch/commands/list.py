"""Shows agents, presets and environments."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from absl import flags

from quinoa.launch import process_environment
from quinoa.launch.commands.base import OK, Command, expect

if TYPE_CHECKING:
    from quinoa.environments.plugins import Plugin


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    del values
    expect(arguments, 0, "list takes nothing")
    process_environment.set_for_this_process(tries_drawing=False, needs_room=False)
    from quinoa import environments
    from quinoa.agents import registry
    from quinoa.environments import plugins
    from quinoa.launch import presets

    agents = sorted(registry.names(), key=lambda agent: agent[0] != registry.DEFAULT_AGENT)
    width = max(len(name) for name, _ in agents)
    print("Agents (--agent):")
    for name, about in agents:
        print(f"  {name:{width}}  {about}")
    built_in = {name for name, _ in agents}
    _print_plugins(plugins.installed(plugins.AGENTS), built_in.__contains__)
    print("  or the import path of your own: my_package.my_agent, my_package.my_agent:preset")
    print("\nPresets (--preset), an agent with its settings and a task:")
    width = max(len(preset.name) for preset in presets.every())
    for preset in presets.every():
        print(f"  {preset.name:{width}}  {preset.description}")
    print("\nEnvironments (--env):")
    for name in environments.list_environments():
        print(f"  {name}")
    _print_plugins(plugins.installed(plugins.ENVIRONMENTS), environments.is_built_in)
    print("  any other id of Gymnasium that its spaces allow: gym:<id>")
    print("  or a function that makes your own: my_package.my_module:my_factory")
    return OK


def _print_plugins(found: Sequence[Plugin], is_taken: Callable[[str], bool]) -> None:
    """Shows what installed packages declare, without importing any of it."""
    count = collections.Counter(plugin.name for plugin in found)
    for name, path, package in found:
        note = ""
        if is_taken(name):
            note = "; hidden by the built-in one: use the import path"
        elif count[name] > 1:
            note = "; not the only one of this name: use the import path"
        print(f"  {name}  {path} (from {package}{note})")


COMMAND = Command("", "show agents, presets and environments", "", flags.FlagValues, _run)
