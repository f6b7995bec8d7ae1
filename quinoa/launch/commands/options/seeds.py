"""Seeds as people type them."""

from __future__ import annotations

import re

from quinoa.config.fields import fields_of
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment

_SEED = fields_of(Experiment)["seed"]
# Far more than anybody waits for; a slip of the keyboard is not to fill the memory.
_MAX_SEEDS = 100_000
_PART = re.compile(r"([0-9]+)(?::([0-9]+))?")


def parse(text: str) -> list[int]:
    """Reads `3`, `0,1,5` or `0:5`, which is 0 to 4.

    Raises:
        ExperimentError: it is none of these, or a seed comes twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ExperimentError(_cannot(text, "they must be whole numbers as in 0,1,2 or 0:3"))
        first = int(match[1])
        end = first + 1 if match[2] is None else int(match[2])
        if first >= end:
            raise ExperimentError(_cannot(text, f"{part} is empty, for {end} is not in it"))
        if not _SEED.holds(end - 1):
            raise ExperimentError(_cannot(text, f"they must be {_SEED.wanted}"))
        if len(seeds) + end - first > _MAX_SEEDS:
            raise ExperimentError(_cannot(text, f"they are more than {_MAX_SEEDS}"))
        seeds += range(first, end)
    seen: set[int] = set()
    for seed in seeds:
        if seed in seen:
            raise ExperimentError(_cannot(text, f"{seed} is there twice"))
        seen.add(seed)
    return seeds


def _cannot(text: str, why: str) -> str:
    return f"--seeds={text} cannot be understood: {why}."
