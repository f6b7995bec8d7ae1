"""Completers of values: each lists what a flag or an argument may be given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.config import descriptions
from quinoa.config.fields import fields_of
from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.commands.completion import paths
from quinoa.launch.commands.completion.candidates import (
    NOTHING,
    Candidates,
    beginning,
    of_paths,
)
from quinoa.launch.commands.completion.line import CommandLine
from quinoa.launch.commands.options import field_flags
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    from quinoa.agents.config import AgentConfig

# Completes a value, as far as it is typed, in a line.
Completer = Callable[[CommandLine, str], Candidates]


def _agents(line: CommandLine, typed: str) -> Candidates:
    from quinoa.agents import registry
    from quinoa.environments import plugins

    known = dict(registry.names())
    for plugin in plugins.installed(plugins.AGENTS):
        known.setdefault(plugin.name, plugin.path)
    return _named(typed, known.items(), ".py")


def _environments(line: CommandLine, typed: str) -> Candidates:
    from quinoa import environments

    return _named(typed, [(name, "") for name in environments.known_names()], ".py")


def _presets(line: CommandLine, typed: str) -> Candidates:
    from quinoa.launch import presets

    file, colon, _ = typed.rpartition(":")
    if colon and (path := presets.own_file(file)) is not None:
        own = presets.in_file(path)
        return beginning(
            typed, [(f"{file}:{each.name.rpartition(':')[2]}", each.about) for each in own]
        )
    return _named(typed, [(each.name, each.about) for each in presets.every()], ".toml")


def _figures(line: CommandLine, typed: str) -> Candidates:
    from quinoa.launch.sweep import paper_figures

    return beginning(typed, [(each.name, each.about) for each in paper_figures.every()])


def _named(typed: str, known: Iterable[tuple[str, str]], ending: str) -> Candidates:
    """Names or, if none matches, files with an ending."""
    found = beginning(typed, known)
    return found if found.listed else of_paths(paths.files(typed, [ending]))


def _settings(line: CommandLine, typed: str) -> Candidates:
    """`NAME=` of the agent's settings, then `NAME=VALUE` of a setting with few values."""
    config = _config(line)
    if config is None:
        return NOTHING
    name, equals, _ = typed.partition("=")
    if not equals:
        described = descriptions.described(config)
        return beginning(typed, [(f"{each.name}=", each.about) for each in described])
    kind = fields_of(type(config)).get(name)
    if kind is None:
        return NOTHING
    choices = ("true", "false") if kind.hint is bool else kind.choice_names
    return beginning(typed, [(f"{name}={choice}", "") for choice in choices])


def _axes(line: CommandLine, typed: str) -> Candidates:
    """The same for a sweep, which may also vary flags of `train`."""
    from quinoa.launch.commands.options import train_flags
    from quinoa.launch.sweep import plan

    of_train = train_flags.define()
    known = [(f"{name}=", of_train[name].help) for name in of_train if name not in plan.NO_SETTINGS]
    found = _settings(line, typed)
    return Candidates([*found.listed, *beginning(typed, known).listed])


def _config(line: CommandLine) -> AgentConfig | None:
    """The configuration of the line's agent; None unless it is a built-in one.

    Another agent's module would have to be imported, which may do anything.
    """
    from quinoa.agents import registry
    from quinoa.launch import presets

    name, preset = line.given("agent"), line.given("preset")
    if line.name == "check" and line.arguments():
        name = line.arguments()[0]
    elif name is None and preset is not None:
        name = presets.load(preset).flags["agent"]
    # A sweep may have several agents; the first counts.
    name = registry.DEFAULT_AGENT if name is None else name.partition(",")[0]
    return registry.load_config(name).config if name in dict(registry.names()) else None


def _changes(line: CommandLine, typed: str) -> Candidates:
    names = [field.flag_name for _, field in field_flags.with_flags(Experiment)]
    return beginning(typed, [(name, line.values[name].help) for name in names])


def _checkpoints(line: CommandLine, typed: str) -> Candidates:
    """The checkpoints of the line's run, by their learner steps."""
    runs = line.arguments()
    if not runs:
        return NOTHING
    folder = RunFolder(Path(os.path.expanduser(runs[0]))).checkpoints
    return beginning(typed, [(path.name, "") for path in checkpoint_folder.paths_in(folder)])


def _resumable(line: CommandLine, typed: str) -> Candidates:
    kind = "SWEEP" if line.name == "sweep" else "RUN"
    return of_paths(paths.folders_of(typed, [FOLDERS[kind]]))


def _runs(line: CommandLine, typed: str) -> Candidates:
    return of_paths(paths.folders_of(typed, [paths.is_run]))


def _nodes(line: CommandLine, typed: str) -> Candidates:
    """The processes of the run that the line names, by their logs."""
    if not (arguments := line.arguments()):
        return NOTHING
    logs = RunFolder(Path(arguments[0]).expanduser()).logs.glob("*.log")
    return beginning(typed, [(path.stem, "") for path in sorted(logs)])


def _folders(line: CommandLine, typed: str) -> Candidates:
    return of_paths(paths.folders(typed))


def _files(line: CommandLine, typed: str) -> Candidates:
    return of_paths(paths.files(typed))


def _anything(line: CommandLine, typed: str) -> Candidates:
    return NOTHING


# The completers of flags. Numbers, switches and enumerations need none.
VALUES: Mapping[str, Completer] = {
    "agent": _agents,
    "env": _environments,
    "env_set": _anything,
    "preset": _presets,
    "set": _settings,
    "grid": _axes,
    "folder": _folders,
    "resume": _resumable,
    "attach": _runs,
    "init_from": _runs,
    "demonstrations": _anything,
    "node": _nodes,
    "ray_address": _anything,
    "change": _changes,
    "checkpoint": _checkpoints,
    "out": _files,
    "json": _files,
    "table": _files,
    "evaluations": _files,
    "baseline": _files,
    "observation": _files,
    "by": _anything,
    "seeds": _anything,
    "seen": _anything,
    "to": _anything,
    "step": _anything,
    "wandb": _anything,
    "copy_to": _folders,
}
# The completers of arguments, by the capitals in a command's usage.
ARGUMENTS: Mapping[str, Completer] = {
    "AGENT": _agents,
    "ENVIRONMENT": _environments,
    "PRESET": _presets,
    "FIGURE": _figures,
    "NAME=VALUES": _axes,
}
# What tells whether a folder is what an argument names, by the capitals in a command's usage.
FOLDERS = {"RUN": paths.is_run, "SWEEP": paths.is_sweep}
