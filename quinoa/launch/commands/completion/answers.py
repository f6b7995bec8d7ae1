"""Completion of command lines in a shell: its scripts, and what they ask the program.

A script asks `quinoa __complete SHELL ...` at each press of the Tab key, so it never has to be made
again: it knows the agents, presets, environments and runs of that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from quinoa.launch.commands.base import Command, UsageError
from quinoa.launch.commands.completion import candidates
from quinoa.launch.commands.completion.candidates import Candidates
from quinoa.launch.commands.completion.line import split

# Where the script of zsh cuts what is typed.
_ZSH_BREAKS = "/=,:"


def script(shell: str) -> str:
    """What turns completion on in bash, zsh or fish."""
    return (Path(__file__).parent / f"quinoa.{shell}").read_text(encoding="utf-8")


def answer(commands: Mapping[str, Command], arguments: Sequence[str]) -> list[str]:
    """What a script asked for, as it takes that.

    Args:
        commands: of the program, by name.
        arguments: what it gives: `bash LINE BREAKS`, the line up to the cursor and what ends a word
            for bash; or `zsh WORD... LAST` and `fish WORD... LAST`, the words after the program's
            name, and the one at the cursor as it is typed, quotes and all.

    Returns:
        Lines. For bash: `paths` or `words`, then the candidates, each from the last break on. For
        the others: a candidate each, with a tab and what it is; for zsh from the last break on too.

    Raises:
        ExperimentError: a file of presets that is being completed has a mistake.
        UsageError: it gives something else.
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
    found = candidates.complete(commands, words, typed.last)
    if shell == "bash":
        return ["paths" if found.are_paths else "words", *_for_bash(found, typed.start)]
    return [f"{each.text[typed.start :]}\t{each.about}" for each in found.listed]


def _for_bash(found: Candidates, start: int) -> list[str]:
    # It puts the slash after a folder itself.
    texts = [each.text[start:] for each in found.listed]
    return [text.rstrip("/") or text for text in texts] if found.are_paths else texts
