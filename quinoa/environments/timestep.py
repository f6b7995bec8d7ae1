"""How long a step of an environment lasts, by what environments say of it."""

from __future__ import annotations

import math
import numbers


def seconds(value: object) -> float | None:
    """A time step in seconds; None for what is no positive number, as a method of that name."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    number = float(value)
    return number if 0.0 < number < math.inf else None
