"""Finds the words that may stand at the cursor, from the words before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from absl import flags

from quinoa.launch.commands.base import Command
from quinoa.launch.commands.completion import paths
from quinoa.launch.commands.completion.candidates import (
    NOTHING,
    Candidates,
    beginning,
    of_paths,
    prefixed,
)
from quinoa.launch.commands.completion.completers import ARGUMENTS, FOLDERS, VALUES
from quinoa.launch.commands.completion.line import FLAG, CommandLine

# The flags that may stand in place of a command.
_PROGRAM_FLAGS = {"--help": "what commands there are", "--version": "which version this is"}


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
        return beginning(last, known.items())
    if words[0] not in commands:
        return NOTHING
    command = commands[words[0]]
    line = CommandLine(words[0], command.flags(), words[1:])
    match = FLAG.fullmatch(last)
    if match is not None and match["equals"]:
        before = last[: match.start("value")]
        return prefixed(before, _value(line, match["name"], match["value"]))
    if line.words and line.takes_next(line.words[-1]):
        return _value(line, line.words[-1].lstrip("-"), last)
    if last.startswith("-"):
        return _flags(line, last)
    return _argument(line, command, last)


def _flags(line: CommandLine, last: str) -> Candidates:
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
    return beginning(last, [*known.items(), ("--help", "what it does, and its flags")])


def _value(line: CommandLine, name: str, typed: str) -> Candidates:
    """Values of a flag."""
    if name not in line.values:
        return NOTHING
    flag = line.values[name]
    if isinstance(flag, flags.EnumFlag):
        assert isinstance(flag.parser, flags.EnumParser)
        return beginning(typed, [(value, "") for value in flag.parser.enum_values])
    if flag.flag_type() == "bool":
        return beginning(typed, [("true", ""), ("false", "")])
    if name not in VALUES:
        return NOTHING
    if isinstance(flag.parser, flags.ListParser):
        start = typed.rfind(",") + 1
        return prefixed(typed[:start], VALUES[name](line, typed[start:]))
    return VALUES[name](line, typed)


def _argument(line: CommandLine, command: Command, typed: str) -> Candidates:
    """Arguments, by the first word of the command's usage."""
    usage = command.usage.partition(" ")[0].strip("[]")
    if line.arguments() and not usage.endswith("..."):
        return NOTHING
    kinds = usage.removesuffix("...").split("|")
    if kinds == ["FLAGS"]:
        return NOTHING
    if set(kinds) <= FOLDERS.keys():
        return of_paths(paths.folders_of(typed, [FOLDERS[kind] for kind in kinds]))
    if usage.islower():
        return beginning(typed, [(kind, "") for kind in kinds])
    found = [ARGUMENTS[kind](line, typed) for kind in kinds]
    # Files are offered only if no name matches.
    named = [each for of in found for each in of.listed if not of.are_paths]
    return Candidates(named) if named else next((of for of in found if of.listed), NOTHING)
