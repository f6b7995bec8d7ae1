"""Command lines as shells read them, as far as they are typed."""

from __future__ import annotations

from typing import NamedTuple

_SPACES = " \t\n"
# What a backslash takes its meaning from within double quotes.
_ESCAPED_IN_QUOTES = '"\\$`'


class Typed(NamedTuple):
    """A command line up to the cursor.

    Attributes:
        words: those that are whole, without quotes.
        last: the one at the cursor, which may be empty, without quotes.
        start: the letters of `last` that the shell leaves as they are when it completes.
    """

    words: tuple[str, ...]
    last: str
    start: int


def split(text: str, breaks: str) -> Typed:
    """Splits a line that may end within quotes.

    Args:
        text: the line, or one word.
        breaks: letters at which the shell begins anew what it completes, where they are not quoted
            (COMP_WORDBREAKS of bash). Quotes among them do so too.
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
