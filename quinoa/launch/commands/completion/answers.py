"""Completion of command lines in a shell: the scripts, and the program's answers to them.

At each press of the Tab key a script runs `quinoa __complete SHELL ...`. So it is never outdated,
and completes the agents, presets, environments and runs of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from quinoa.launch.commands.base import Command, UsageError
from quinoa.launch.commands.completion import cursor
from quinoa.launch.commands.completion.candidates import Candidates
from quinoa.launch.commands.completion.line import split

# The letters at which the script for zsh splits a word.
_ZSH_BREAKS = "/=,:"


def script(shell: str) -> str:
    """The script that enables completion in bash, zsh or fish."""
    return (Path(__file__).parent / f"quinoa.{shell}").read_text(encoding="utf-8")


def answer(commands: Mapping[str, Command], arguments: Sequence[str]) -> list[str]:
    """Answers a script, in the form that it reads.

    Args:
        commands: the program's commands, by name.
        arguments: the script's arguments: `bash LINE BREAKS`, the line up to the cursor and the
            letters that end a word for bash; or `zsh WORD... LAST` and `fish WORD... LAST`, the
            words after the program's name, and the one at the cursor as typed, with its quotes.

    Returns:
        Lines. For bash: `paths` or `words`, then the candidates from their last break on. For zsh
        and fish: each candidate (for zsh from its last break on), a tab and its description.

    Raises:
        ExperimentError: a preset file that is being completed has an error.
        UsageError: the arguments are not of that form.
    """
    if len(arguments) < 2 or (arguments[0] == "bash" and len(arguments) != 3):
        raise UsageError("__complete is for the scripts that quinoa completion prints.")
    shell, *rest = arguments
    if shell == "bash":
        line, breaks = rest
        typed = split(line, breaks)
        words = [*typed.words[1:]]
    else:
        *words, current = rest
        typed = split(current, _ZSH_BREAKS if shell == "zsh" else "")
    found = cursor.complete(commands, words, typed.last)
    if shell == "bash":
        return ["paths" if found.are_paths else "words", *_for_bash(found, typed.start)]
    return [f"{each.text[typed.start :]}\t{each.about}" for each in found.listed]


def _for_bash(found: Candidates, start: int) -> list[str]:
    # bash appends the slash of a folder itself.
    texts = [each.text[start:] for each in found.listed]
    return [text.rstrip("/") or text for text in texts] if found.are_paths else texts
