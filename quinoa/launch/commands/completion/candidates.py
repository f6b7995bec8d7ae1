"""Finds the words that may stand at the cursor, from the words before it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from quinoa.config import descriptions
from quinoa.config.fields import fields_of
from quinoa.launch.checkpoints import checkpoint_folder
from quinoa.launch.commands.base import Command
from quinoa.launch.commands.completion import paths
from quinoa.launch.commands.options import field_flags
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    from quinoa.agents.config import AgentConfig

# The flags that may stand in place of a command.
_PROGRAM_FLAGS = {"--help": "what commands there are", "--version": "which version this is"}
_FLAG = re.compile(r"--?(?P<name>\w+)(?P<equals>=(?P<value>.*))?", re.DOTALL)
# The most letters of a candidate's description.
_ABOUT = 100


class Candidate(NamedTuple):
    """A word that may stand at the cursor.

    Attributes:
        text: the whole word. One that ends in `=`, `:` or `/` is to be continued.
        about: its description in one line; may be empty.
    """

    text: str
    about: str = ""


class Candidates(NamedTuple):
    """Words that may stand at the cursor.

    Attributes:
        listed: the words.
        are_paths: whether they are paths of files and folders.
    """

    listed: Sequence[Candidate]
    are_paths: bool = False


class _Line(NamedTuple):
    """A command line: the command's name, its flags, and the words after the name."""

    name: str
    values: flags.FlagValues
    words: Sequence[str]

    def given(self, flag: str) -> str | None:
        """The last value that a flag is given, or None."""
        found = None
        for index, word in enumerate(self.words):
            match = _FLAG.fullmatch(word)
            if match is not None and match["name"] == flag:
                following = next(iter(self.words[index + 1 :]), None)
                found = match["value"] if match["equals"] else following
        return found

    def flags(self) -> set[str]:
        """The names of the flags that are given."""
        matches = [_FLAG.fullmatch(word) for word in self.words]
        return {match["name"] for match in matches if match is not None}

    def arguments(self) -> list[str]:
        """The words that are neither flags nor their values."""
        found, is_value = [], False
        for word in self.words:
            if not is_value and not word.startswith("-"):
                found.append(word)
            is_value = self.takes_next(word)
        return found

    def takes_next(self, word: str) -> bool:
        """Whether a word is a flag whose value is the next word."""
        match = _FLAG.fullmatch(word)
        if match is None or match["equals"] or match["name"] not in self.values:
            return False
        return self.values[match["name"]].flag_type() != "bool"


_NOTHING = Candidates(())
# Completes a word or value, as far as it is typed, in a line.
_Completer = Callable[[_Line, str], Candidates]


def complete(commands: Mapping[str, Command], words: Sequence[str], last: str) -> Candidates:
    """Finds the words that may stand at the cursor.

    Args:
        commands: the program's commands, by name.
        words: the words between the program's name and the cursor's word.
        last: the cursor's word, as far as it is typed.

    Raises:
        ExperimentError: a preset file that is being completed has an error.
    """
    if not words:
        known = {name: command.about for name, command in commands.items()}
        if last.startswith("-"):
            known = _PROGRAM_FLAGS
        return _beginning(last, known.items())
    if words[0] not in commands:
        return _NOTHING
    command = commands[words[0]]
    line = _Line(words[0], command.flags(), words[1:])
    match = _FLAG.fullmatch(last)
    if match is not None and match["equals"]:
        before = last[: match.start("value")]
        return _prefixed(before, _value(line, match["name"], match["value"]))
    if line.words and line.takes_next(line.words[-1]):
        return _value(line, line.words[-1].lstrip("-"), last)
    if last.startswith("-"):
        return _flags(line, last)
    return _argument(line, command, last)


def _beginning(typed: str, known: Iterable[tuple[str, str]]) -> Candidates:
    return Candidates(
        [Candidate(text, _first(about)) for text, about in known if text.startswith(typed)]
    )


def _first(text: str) -> str:
    """The first sentence of a text, cut if it is long."""
    sentence = re.split(r"[.;](?=\s|$)", " ".join(text.split()))[0]
    return sentence if len(sentence) <= _ABOUT else f"{sentence[: _ABOUT - 3].rstrip()}..."


def _of_paths(found: Iterable[str]) -> Candidates:
    return Candidates([Candidate(path) for path in found], are_paths=True)


def _prefixed(before: str, found: Candidates) -> Candidates:
    return found._replace(
        listed=[each._replace(text=f"{before}{each.text}") for each in found.listed]
    )


def _flags(line: _Line, last: str) -> Candidates:
    """Flags, without those that are given already and may be given only once."""
    known = {}
    for name in line.values:
        flag = line.values[name]
        is_given = {name, f"no{name}"} & line.flags()
        if is_given and not isinstance(flag, flags.MultiFlag):
            continue
        if flag.flag_type() != "bool":
            known[f"--{name}="] = flag.help
        elif last.startswith("--no") or flag.default:
            known[f"--no{name}"] = f"not: {flag.help}"
        if flag.flag_type() == "bool" and not flag.default:
            known[f"--{name}"] = flag.help
    return _beginning(last, [*known.items(), ("--help", "what it does, and its flags")])


def _value(line: _Line, name: str, typed: str) -> Candidates:
    """Values of a flag."""
    if name not in line.values:
        return _NOTHING
    flag = line.values[name]
    if isinstance(flag, flags.EnumFlag):
        assert isinstance(flag.parser, flags.EnumParser)
        return _beginning(typed, [(value, "") for value in flag.parser.enum_values])
    if flag.flag_type() == "bool":
        return _beginning(typed, [("true", ""), ("false", "")])
    if name not in VALUES:
        return _NOTHING
    if isinstance(flag.parser, flags.ListParser):
        start = typed.rfind(",") + 1
        return _prefixed(typed[:start], VALUES[name](line, typed[start:]))
    return VALUES[name](line, typed)


def _argument(line: _Line, command: Command, typed: str) -> Candidates:
    """Arguments, by the first word of the command's usage."""
    usage = command.usage.partition(" ")[0].strip("[]")
    if line.arguments() and not usage.endswith("..."):
        return _NOTHING
    kinds = usage.removesuffix("...").split("|")
    if kinds == ["FLAGS"]:
        return _NOTHING
    if set(kinds) <= _FOLDERS.keys():
        return _of_paths(paths.folders_of(typed, [_FOLDERS[kind] for kind in kinds]))
    if usage.islower():
        return _beginning(typed, [(kind, "") for kind in kinds])
    found = [ARGUMENTS[kind](line, typed) for kind in kinds]
    # Files are offered only if no name matches.
    named = [each for of in found for each in of.listed if not of.are_paths]
    return Candidates(named) if named else next((of for of in found if of.listed), _NOTHING)


def _agents(line: _Line, typed: str) -> Candidates:
    from quinoa.agents import registry
    from quinoa.environments import plugins

    known = dict(registry.names())
    for plugin in plugins.installed(plugins.AGENTS):
        known.setdefault(plugin.name, plugin.path)
    return _named(typed, known.items(), ".py")


def _environments(line: _Line, typed: str) -> Candidates:
    from quinoa import environments

    return _named(typed, [(name, "") for name in environments.known_names()], ".py")


def _presets(line: _Line, typed: str) -> Candidates:
    from quinoa.launch import presets

    file, colon, _ = typed.rpartition(":")
    if colon and (path := presets.own_file(os.path.expanduser(file))) is not None:
        own = presets.in_file(path)
        return _beginning(
            typed, [(f"{file}:{each.name.rpartition(':')[2]}", each.about) for each in own]
        )
    return _named(typed, [(each.name, each.about) for each in presets.every()], ".toml")


def _named(typed: str, known: Iterable[tuple[str, str]], ending: str) -> Candidates:
    """Names or, if none matches, files with an ending."""
    found = _beginning(typed, known)
    return found if found.listed else _of_paths(paths.files(typed, [ending]))


def _settings(line: _Line, typed: str) -> Candidates:
    """`NAME=` of the agent's settings, then `NAME=VALUE` of a setting with few values."""
    config = _config(line)
    if config is None:
        return _NOTHING
    name, equals, _ = typed.partition("=")
    if not equals:
        described = descriptions.described(config)
        return _beginning(typed, [(f"{each.name}=", each.about) for each in described])
    kind = fields_of(type(config)).get(name)
    if kind is None:
        return _NOTHING
    choices = ("true", "false") if kind.hint is bool else kind.choices
    return _beginning(typed, [(f"{name}={choice}", "") for choice in choices])


def _axes(line: _Line, typed: str) -> Candidates:
    """The same for a sweep, which may also vary flags of `train`."""
    from quinoa.launch.commands.options import train_flags
    from quinoa.launch.sweep import plan

    of_train = train_flags.define()
    known = [(f"{name}=", of_train[name].help) for name in of_train if name not in plan.NO_SETTINGS]
    found = _settings(line, typed)
    return Candidates([*found.listed, *_beginning(typed, known).listed])


def _config(line: _Line) -> AgentConfig | None:
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


def _changes(line: _Line, typed: str) -> Candidates:
    names = [field.flag_name for _, field in field_flags.with_flags(Experiment)]
    return _beginning(typed, [(name, line.values[name].help) for name in names])


def _checkpoints(line: _Line, typed: str) -> Candidates:
    """The checkpoints of the line's run, by their learner steps."""
    runs = line.arguments()
    if not runs:
        return _NOTHING
    folder = RunFolder(Path(os.path.expanduser(runs[0]))).checkpoints
    return _beginning(typed, [(path.name, "") for path in checkpoint_folder.paths_in(folder)])


def _resumable(line: _Line, typed: str) -> Candidates:
    kind = "SWEEP" if line.name == "sweep" else "RUN"
    return _of_paths(paths.folders_of(typed, [_FOLDERS[kind]]))


def _runs(line: _Line, typed: str) -> Candidates:
    return _of_paths(paths.folders_of(typed, [paths.is_run]))


def _nodes(line: _Line, typed: str) -> Candidates:
    """The processes of the run that the line names, by their logs."""
    from quinoa.launch.run.run_folder import RunFolder

    if not (arguments := line.arguments()):
        return _NOTHING
    logs = RunFolder(Path(arguments[0]).expanduser()).logs.glob("*.log")
    return _beginning(typed, [(path.stem, "") for path in sorted(logs)])


def _folders(line: _Line, typed: str) -> Candidates:
    return _of_paths(paths.folders(typed))


def _files(line: _Line, typed: str) -> Candidates:
    return _of_paths(paths.files(typed))


def _anything(line: _Line, typed: str) -> Candidates:
    return _NOTHING


# The completers of flags. Numbers, switches and enumerations need none.
VALUES: Mapping[str, _Completer] = {
    "agent": _agents,
    "env": _environments,
    "env_set": _anything,
    "preset": _presets,
    "set": _settings,
    "grid": _axes,
    "folder": _folders,
    "resume": _resumable,
    "attach": _runs,
    "node": _nodes,
    "ray_address": _anything,
    "change": _changes,
    "checkpoint": _checkpoints,
    "out": _files,
    "json": _files,
    "table": _files,
    "baseline": _files,
    "observation": _files,
    "by": _anything,
    "seeds": _anything,
    "step": _anything,
    "wandb": _anything,
}
# The completers of arguments, by the capitals in a command's usage.
ARGUMENTS: Mapping[str, _Completer] = {
    "AGENT": _agents,
    "ENVIRONMENT": _environments,
    "PRESET": _presets,
    "NAME=VALUES": _axes,
}
_FOLDERS = {"RUN": paths.is_run, "SWEEP": paths.is_sweep}
