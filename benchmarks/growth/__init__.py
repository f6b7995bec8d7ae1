"""How the system grows: curves of what is varied, each beside its limit on the same machine."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.growth import actors, learner, replay
from benchmarks.progress import Part


def parts() -> Sequence[Part]:
    """A part for each curve."""
    return [*learner.parts(), *actors.parts(), *replay.parts()]
