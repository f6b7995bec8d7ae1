"""Words that may stand at the cursor, each with a line on what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


NOTHING = Candidates(())


def beginning(typed: str, known: Iterable[tuple[str, str]]) -> Candidates:
    """Those of some words, with what they are, that begin with what is typed."""
    return Candidates(
        [Candidate(text, _first(about)) for text, about in known if text.startswith(typed)]
    )


def _first(text: str) -> str:
    """The first sentence of a text, cut if it is long."""
    sentence = re.split(r"[.;](?=\s|$)", " ".join(text.split()))[0]
    return sentence if len(sentence) <= _ABOUT else f"{sentence[: _ABOUT - 3].rstrip()}..."


def of_paths(found: Iterable[str]) -> Candidates:
    """Paths of files and folders."""
    return Candidates([Candidate(path) for path in found], are_paths=True)


def prefixed(before: str, found: Candidates) -> Candidates:
    """The same words with something before each."""
    return found._replace(
        listed=[each._replace(text=f"{before}{each.text}") for each in found.listed]
    )
