"""Splits partly typed command lines as shells do."""

from __future__ import annotations

from typing import NamedTuple

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
