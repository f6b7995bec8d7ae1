"""What somebody may have meant who typed a name that there is not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

# How alike two names are at least, of 1, where few letters were typed and where many were; and how
# far behind the most alike another may be.
_ALIKE_SHORT, _ALIKE = 0.6, 0.8
_SHORT = 5
_BEHIND = 0.07
# The same for one word of a name alone, of which there are many.
_WORD_ALIKE = 0.8
# Letters of a beginning that says something.
_SHORTEST = 3
# Names that have in them what was typed, and names that are spelled like it, at most.
_MOST_HAVING, _MOST_ALIKE = 6, 3


def similar(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are nearest to one, the nearest first; none where none is near.

    Capitals do not count, nor what separates words, and a part of a name will do: `IQ` is near
    `iq`, and `walker` and `walker-walk` are near `control:walker:walk`. Of names that are merely
    spelled alike, those are given that are about as near as the nearest.

    Args:
        name: what was typed.
        known: the names that there are.
    """
    words = {other: _words(other) for other in known}
    typed, text = _words(name), name.casefold()
    if not typed:
        return []
    for near in (
        [other for other in words if words[other] == typed],
        [other for other in words if text in re.split("[:/]", other.casefold())],
        [other for other in words if _has(words[other], typed)],
    ):
        if near:
            return near[:_MOST_HAVING]
    alike = {other: _likeness(typed, words[other]) for other in words}
    least = _ALIKE_SHORT if len(text) <= _SHORT else _ALIKE
    if (nearest := max(alike.values(), default=0.0)) >= least:
        near = [other for other in words if alike[other] >= max(least, nearest - _BEHIND)]
        return sorted(near, key=lambda other: -alike[other])[:_MOST_ALIKE]
    if len("".join(typed)) < _SHORTEST:
        return []
    begun = [other for other in words if "".join(words[other]).startswith("".join(typed))]
    having = [other for other in words if _likest_word(typed, words[other]) >= _WORD_ALIKE]
    return (begun or having)[:_MOST_HAVING]


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A question with a space before it, or nothing where no name is near.

    Args:
        name: what was typed.
        known: the names that there are.
        prefix: shown before each, such as `--`.
    """
    near = similar(name, known)
    return f" Did you mean {' or '.join(prefix + other for other in near)}?" if near else ""


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", name.casefold()))


def _has(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether words have others among them, in this order and together."""
    starts = range(len(words) - len(part) + 1)
    return any(tuple(words[i : i + len(part)]) == tuple(part) for i in starts)


def _likeness(typed: Sequence[str], words: Sequence[str]) -> float:
    """How alike names are, from 0 to 1: as wholes, or without what the other begins with."""
    # The first word is the suite or kind, which people leave out.
    return max(_ratio(" ".join(typed), " ".join(part)) for part in (words, words[1:]))


def _likest_word(typed: Sequence[str], words: Sequence[str]) -> float:
    """How alike what was typed is to the one word of a name that is most like it."""
    return max((_ratio(" ".join(typed), word) for word in words), default=0.0)


def _ratio(text: str, other: str) -> float:
    matcher = difflib.SequenceMatcher(None, other, text, autojunk=False)
    bound = min(matcher.real_quick_ratio(), matcher.quick_ratio())
    return matcher.ratio() if bound >= _ALIKE_SHORT else 0.0
