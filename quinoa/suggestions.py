"""Suggests known names that are similar to an unknown one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

# The least similarity of names, from 0 to 1, for a typed name of at most `_SHORT` letters and for a
# longer one. Names less similar than the best by more than `_MARGIN` are not suggested.
_MIN_SIMILARITY_SHORT, _MIN_SIMILARITY = 0.6, 0.8
_SHORT = 5
_MARGIN = 0.07
# The least similarity to a single word of a name.
_MIN_WORD_SIMILARITY = 0.8
# The fewest letters for which a name that begins with them is suggested.
_MIN_PREFIX = 3
# The most suggestions: of names that contain what was typed, and of names with a similar spelling.
_MAX_CONTAINING, _MAX_SIMILAR = 6, 3


def similar(name: str, known: Iterable[str]) -> list[str]:
    """Finds the known names that are most similar to one, the most similar first.

    Case and the separators of words do not matter, and parts of names match: `IQ` is similar to
    `iq`, and `walker` and `walker-walk` to `control:walker:walk`. If no name matches in this way,
    names with a similar spelling are returned.

    Args:
        name: the name that was typed.
        known: the known names.
    """
    words = {other: _words(other) for other in known}
    typed, text = _words(name), name.casefold()
    if not typed:
        return []
    for near in (
        [other for other in words if words[other] == typed],
        [other for other in words if text in re.split("[:/]", other.casefold())],
        [other for other in words if _contains(words[other], typed)],
    ):
        if near:
            return near[:_MAX_CONTAINING]
    similarity = {other: _similarity(typed, words[other]) for other in words}
    least = _MIN_SIMILARITY_SHORT if len(text) <= _SHORT else _MIN_SIMILARITY
    if (nearest := max(similarity.values(), default=0.0)) >= least:
        near = [other for other in words if similarity[other] >= max(least, nearest - _MARGIN)]
        # Of equally similar ones, those that are also similar in case and as a whole come first.
        near.sort(key=lambda other: (-similarity[other], -_ratio(name, other)))
        return near[:_MAX_SIMILAR]
    if len("".join(typed)) < _MIN_PREFIX:
        return []
    beginning = [other for other in words if "".join(words[other]).startswith("".join(typed))]
    containing = [
        other for other in words if _word_similarity(typed, words[other]) >= _MIN_WORD_SIMILARITY
    ]
    return (beginning or containing)[:_MAX_CONTAINING]


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """A question that suggests similar names, after a space; empty if no name is similar.

    Args:
        name: the name that was typed.
        known: the known names.
        prefix: a prefix of each suggestion, such as `--`.
    """
    near = similar(name, known)
    return f" Did you mean {' or '.join(prefix + other for other in near)}?" if near else ""


def _words(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", name.casefold()))


def _contains(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether `part` is a contiguous subsequence of `words`."""
    starts = range(len(words) - len(part) + 1)
    return any(tuple(words[i : i + len(part)]) == tuple(part) for i in starts)


def _similarity(typed: Sequence[str], words: Sequence[str]) -> float:
    """The similarity of names, from 0 to 1: with the known name's first word or without it."""
    # The first word is the suite or kind, which people may leave out.
    return max(_ratio(" ".join(typed), " ".join(part)) for part in (words, words[1:]))


def _word_similarity(typed: Sequence[str], words: Sequence[str]) -> float:
    """The similarity of what was typed to the most similar single word of a name."""
    return max((_ratio(" ".join(typed), word) for word in words), default=0.0)


def _ratio(text: str, other: str) -> float:
    matcher = difflib.SequenceMatcher(None, other, text, autojunk=False)
    bound = min(matcher.real_quick_ratio(), matcher.quick_ratio())
    return matcher.ratio() if bound >= _MIN_SIMILARITY_SHORT else 0.0
