"""Shows agents, presets and environments."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from launch import process_environment
from launch.commands.base import OK, Command, expect


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    del values
    expect(arguments, 0, "list takes nothing")
    process_environment.set_for_this_process()
    import environments
    from agents import registry
    from launch import presets

    agents = sorted(registry.names(), key=lambda agent: agent[0] != registry.DEFAULT_AGENT)
    width = max(len(name) for name, _ in agents)
    print("Agents (--agent):")
    for name, about in agents:
        print(f"  {name:{width}}  {about}")
    print("  or the import path of your own: my_package.my_agent, my_package.my_agent:preset")
    print("\nPresets (--preset), an agent with its settings and a task:")
    width = max(len(preset.name) for preset in presets.every())
    for preset in presets.every():
        print(f"  {preset.name:{width}}  {preset.description}")
    print("\nEnvironments (--env):")
    for name in environments.list_environments():
        print(f"  {name}")
    print("  any other id of Gymnasium that its spaces allow: gym:<id>")
    print("  or a function that makes your own: my_package.my_module:my_factory")
    return OK


COMMAND = Command("", "show agents, presets and environments", "", flags.FlagValues, _run)
