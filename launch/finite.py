"""Keeps parameters of a learner that has diverged from actors and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from agents.learner import Learner


def finite_parameters(learner: Learner) -> np.ndarray:
    """The policy's variables as one vector, float32 [P].

    Raises:
        NonFiniteError: one of them is NaN or infinite.
    """
    from agents.learner import check_finite

    parameters = learner.parameters()
    if not np.isfinite(parameters).all():
        check_finite({"the policy's parameters": np.abs(parameters).max()})
    return parameters
