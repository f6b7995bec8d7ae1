"""A partly typed command line: its words, as shells split them, and the flags among them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from absl import flags

FLAG = re.compile(r"--?(?P<name>\w+)(?P<equals>=(?P<value>.*))?", re.DOTALL)
_SPACES = " \t\n"
# The letters that a backslash escapes within double quotes.
_ESCAPED_IN_QUOTES = '"\\$`'


class Typed(NamedTuple):
    """A command line up to the cursor.

    Attributes:
        words: the complete words, without quotes.
        last: the word at the cursor, without quotes; may be empty.
        start: how many letters of `last` the shell does not replace when it completes.
    """

    words: tuple[str, ...]
    last: str
    start: int


def split(text: str, breaks: str) -> Typed:
    """Splits a line, which may end within quotes.

    Args:
        text: the line, or one word.
        breaks: the letters after which the shell completes separately, unless they are quoted
            (COMP_WORDBREAKS of bash). They may include quotes.
    """
    words: list[str] = []
    last, start, quote, is_word = "", 0, "", False
    letters = iter(text)
    for letter in letters:
        if quote:
            if letter == quote:
                quote = ""
                start = len(last) if letter in breaks else start
            elif letter == "\\" and quote == '"':
                following = next(letters, "")
                last += following if following in _ESCAPED_IN_QUOTES else letter + following
            else:
                last += letter
            continue
        if letter in _SPACES:
            if is_word:
                words.append(last)
            last, start, is_word = "", 0, False
            continue
        is_word = True
        if letter in "'\"":
            quote = letter
        elif letter == "\\":
            last += next(letters, "")
            continue
        else:
            last += letter
        if letter in breaks:
            start = len(last)
    return Typed(tuple(words), last, start)


class CommandLine(NamedTuple):
    """The words of a command line after the program's name.

    Attributes:
        name: the command's name.
        values: the command's flags, none of them parsed.
        words: the complete words after the command's name.
    """

    name: str
    values: flags.FlagValues
    words: Sequence[str]

    def given(self, flag: str) -> str | None:
        """The last value that a flag is given, or None."""
        found = None
        for index, word in enumerate(self.words):
            match = FLAG.fullmatch(word)
            if match is not None and match["name"] == flag:
                following = next(iter(self.words[index + 1 :]), None)
                found = match["value"] if match["equals"] else following
        return found

    def flags(self) -> set[str]:
        """The names of the flags that are given."""
        matches = [FLAG.fullmatch(word) for word in self.words]
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
        match = FLAG.fullmatch(word)
        if match is None or match["equals"] or match["name"] not in self.values:
            return False
        return self.values[match["name"]].flag_type() != "bool"
