"""The seeds that environments get: those that a C int holds, as many simulators take no others."""

from __future__ import annotations

import numpy as np

MAX_SEED = 2**31 - 1


def draw_seeds(sequence: np.random.SeedSequence, count: int) -> list[int]:
    """So many seeds, from 0 to `MAX_SEED`; the same sequence gives the same."""
    return [int(seed) for seed in sequence.generate_state(count) >> 1]
