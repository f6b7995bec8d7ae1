"""Keeps parameters of a learner that has diverged from actors and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from quinoa.agents.learner import Learner


def finite_parameters(learner: Learner) -> np.ndarray:
    """The policy's variables as one vector, float32 [P].

    Raises:
        NonFiniteError: they, or any other of the learner's variables, are NaN or infinite.
    """
    from quinoa.agents.divergence import NonFiniteError, named

    bad = learner.not_finite()
    if bad:
        raise NonFiniteError(f"Not finite: {named(bad)}.")
    return learner.parameters()
