"""Sums of a series b + Mb + M²b + ... with a sparse matrix of numbers that are not negative.

The recursions of Algorithm 1 are such sums. A term is what paths of one length contribute. How far
the sum is from its limit is bounded by blocks of terms, and not by how little the last term added:
where a cycle costs little, a series goes on for long with small terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from quinoa.irl.route_graph import Array, RouteGraphError

_CHUNK = 32  # Terms between two looks at the size of the numbers.
_BLOCKS = 8  # Blocks after which they become twice as long, for the sake of cycles that are long.
_TOO_LARGE = 1e100  # A chunk of terms on top of this is still a float64.


class SeriesError(RouteGraphError):
    """The series has no limit, or comes near it too slowly.

    Attributes:
        state: where the terms do not become smaller.
        certain: whether it is proven that there is no limit.
    """

    def __init__(self, state: int, certain: bool) -> None:
        self.state = state
        self.certain = certain
        super().__init__(f"The series does not converge at {state}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """How pickle makes it again; an error's own way calls the class with the message alone."""
        return type(self), (self.state, self.certain)


def log_sum(
    matrix: sparse.csr_matrix,
    first: Array,
    *,
    elementwise: bool,
    tolerance: float = 1e-13,
    max_terms: int = 200_000,
) -> Array:
    """log(b + Mb + M²b + ...), float64 [S]; −∞ where the sum is 0.

    Sums may be as large as they like: the matrix is scaled by what they have become.

    Args:
        matrix: M, [S, S], not negative.
        first: b, [S], not negative.
        elementwise: whether each element of the sum is to be exact relative to itself, or all of
            them relative to their total, as for probabilities.
        tolerance: how much of the sum may be missing.
        max_terms: how many terms to add up before giving up.

    Raises:
        SeriesError: the sum is infinite, or would take more terms.
    """
    matrix = matrix.copy()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    log_scale = np.zeros(len(first))
    term = first.astype(np.float64)
    total = term.copy()
    older: Array | None = None
    block, terms, blocks = _CHUNK, 0, 0
    while terms < max_terms:
        newer = np.zeros_like(total)
        for _ in range(block // _CHUNK):
            for _ in range(_CHUNK):
                term = matrix @ term
                newer += term
            if not term.any():
                return log_scale + _log(total + newer)
            if newer.max() > _TOO_LARGE:
                scale = total + newer
                # Those that no term has come to will have sums like those that it comes from.
                scale[scale == 0] = scale.max()
                matrix.data *= scale[matrix.indices] / scale[rows]
                log_scale += np.log(scale)
                term, total, newer = term / scale, total / scale, newer / scale
                older = None if older is None else older / scale
        total += newer
        terms, blocks = terms + block, blocks + 1
        if older is not None and _missing(older, newer, total, elementwise) <= tolerance:
            return log_scale + _log(total)
        older = newer
        if blocks % _BLOCKS == 0:
            growing = _growing_state(matrix, total, block)
            if growing is not None:
                raise SeriesError(growing, certain=True)
            block, older = 2 * block, None
    raise SeriesError(int(np.argmax(newer / np.where(total > 0, total, 1.0))), certain=False)


def vanishes(matrix: sparse.csr_matrix, *, max_terms: int = 2000) -> bool:
    """Whether Mⁿ goes to 0, so that every series with this matrix has a limit.

    It does where the row sums of one power are all below 1. False proves nothing: the powers may
    become small later.

    Args:
        matrix: M, [S, S], not negative.
        max_terms: how many powers to look at.
    """
    sums = np.ones(matrix.shape[0])
    for _ in range(max_terms):
        sums = matrix @ sums
        largest = sums.max(initial=0.0)
        if largest < 1.0 - 1e-9:
            return True
        if not largest <= _TOO_LARGE:
            return False
    return False


def _missing(older: Array, newer: Array, total: Array, elementwise: bool) -> float:
    """A bound on the part of the limit that is still missing, from two successive blocks of terms.

    The newer block is MᴮM... of the older one. If it is at most r times that everywhere, so is each
    later one of the one before, and what follows is at most r / (1 − r) times the newer block.
    Relative to the total, r is that of the blocks' sums, which is so in the limit only.
    """
    if elementwise:
        if np.any((older == 0) & (newer > 0)):
            return np.inf
        seen = older > 0
        ratio = np.max(newer[seen] / older[seen], initial=0.0)
        size = np.max(newer[seen] / total[seen], initial=0.0)
    else:
        ratio, size = newer.sum() / older.sum(), newer.sum() / total.sum()
    return float(size * ratio / (1.0 - ratio)) if ratio < 1 else np.inf


def _growing_state(matrix: sparse.csr_matrix, start: Array, steps: int) -> int | None:
    """A state on a cycle that makes the sum infinite, if one is found; None proves nothing.

    If Mv ≥ v on some states, with M and v restricted to these and v > 0, then M has an eigenvalue
    of at least 1 (Collatz and Wielandt), up to the slack. For v, v + Mv is taken again and again:
    it turns to the largest eigenvalue's vector, also where the cycle makes Mⁿv alternate.
    """
    vector = start / start.max()
    for _ in range(steps):
        vector = vector + matrix @ vector
        vector /= vector.max()
    inside = vector > 0
    for _ in range(100):
        kept = inside & (matrix @ (vector * inside) >= (1.0 - 1e-9) * vector)
        if not kept.any():
            return None
        if np.array_equal(kept, inside):
            return int(np.argmax(np.where(kept, vector, -1.0)))
        inside = kept
    return None


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(values)
