"""The base points among whose images a flow's mode is looked for; without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# How many points there are; the first is the centre of the box.
MODE_CANDIDATES = 64


def mode_points(action_size: int) -> npt.NDArray[np.float32]:
    """A low-discrepancy set in the box, float32 [64, A]: the first points of Sobol's sequence."""
    # Imported here: it takes 28 MB, which processes that only sample do not need.
    from scipy.stats import qmc

    points = 2.0 * qmc.Sobol(action_size, scramble=False).random(MODE_CANDIDATES) - 1.0
    # The set's first point is a corner of the box, the second its centre.
    return np.clip(np.roll(points, -1, axis=0), -0.999, 0.999).astype(np.float32)


def settings(action_size: int) -> dict[str, npt.NDArray[Any]]:
    """The same as a flow's `NumpyForm.mode_settings`."""
    return {"mode_points": mode_points(action_size)}
