"""Episodes made up for tests, and datasets of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quinoa.demonstrations import minari_datasets
from quinoa.demonstrations.episodes import Episode
from quinoa.environments import Layout
from quinoa.environments.layout import Part

# Two arrays and one of three kinds; actions that are rescaled.
LAYOUT = Layout(
    (
        Part(("position", 0), (2,)),
        Part(("position", 1), ()),
        Part(("kind",), (3,), (3,), (5,)),
    ),
    (2, 1),
    "float64",
    (-2.0, 0.0),
    (2.0, 10.0),
)


def episode(length: int = 4, *, terminated: bool = True, seed: int = 0) -> Episode:
    """An episode of a task of `LAYOUT`."""
    rng = np.random.default_rng(seed)
    kinds = np.eye(3)[rng.integers(3, size=length + 1)]
    numbers = rng.normal(size=(length + 1, 3))
    discounts = np.ones(length, np.float32)
    discounts[-1] = not terminated
    return Episode(
        np.concatenate([numbers, kinds], axis=1).astype(np.float32),
        rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        rng.normal(size=length).astype(np.float32),
        discounts,
    )


def written(to: Path, *episodes: Episode, layout: Layout = LAYOUT, **options: Any) -> Path:
    """A dataset of these episodes; returns its folder."""
    minari_datasets.write(
        to,
        episodes,
        layout,
        **{
            "action_repeat": 1,
            "about": {"environment": "somewhere"},
            "algorithm": "somebody",
            "description": "",
            **options,
        },
    )
    return to
