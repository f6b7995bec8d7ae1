"""Checks of the time steps that an environment returns."""

from __future__ import annotations

import math
from typing import Any

import dm_env
import numpy as np

from quinoa.environments.errors import FaultKind

# Looked up once: members of an enumeration are slow to access, and this is done at every step.
_MID = dm_env.StepType.MID
_LAST = dm_env.StepType.LAST

_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Defect(Exception):
    """What is wrong with a time step; `CanonicalEnvironment.fault` adds where it happened.

    Attributes:
        kind: the kind of fault.
    """

    def __init__(self, message: str, kind: FaultKind = FaultKind.SPEC) -> None:
        super().__init__(message)
        self.kind = kind


def checked_timestep(timestep: dm_env.TimeStep) -> tuple[dm_env.StepType, float, float, Any]:
    """Unpacks a step of an episode; checks its type, reward and discount."""
    step_type, reward, discount, observation = unpacked(timestep, "step()")
    if step_type is not _MID and step_type is not _LAST:
        raise Defect(f"step() returned a {step_type!r} step within an episode")
    try:
        reward = float(reward)
        discount = float(discount)
    except (TypeError, ValueError):
        raise Defect(
            f"the reward {reward!r} and the discount {discount!r} must both be numbers"
        ) from None
    # Comparisons with NaN are false, so NaN fails these checks as well.
    if not -_FLOAT32_MAX <= reward <= _FLOAT32_MAX:
        raise Defect(f"the reward is {reward}, not a finite float32", FaultKind.NOT_FINITE)
    if not 0.0 <= discount <= 1.0:
        kind = FaultKind.SPEC if math.isfinite(discount) else FaultKind.NOT_FINITE
        raise Defect(f"the discount is {discount}, outside [0, 1]", kind)
    return step_type, reward, discount, observation


def unpacked(timestep: Any, what: str) -> tuple[dm_env.StepType, Any, Any, Any]:
    """Unpacks the fields of a time step that `what` returned, and checks the step type.

    An integer that equals a step type is accepted: steps that were sent over a network have such,
    and dm_env's own `first()`, `mid()` and `last()` accept them.
    """
    try:
        step_type, reward, discount, observation = timestep
        if not isinstance(step_type, dm_env.StepType):
            step_type = dm_env.StepType(step_type)
    except (TypeError, ValueError):
        if isinstance(timestep, dm_env.TimeStep):
            raise Defect(
                f"{what} returned a step of the type {timestep.step_type!r}, which is no "
                "dm_env.StepType"
            ) from None
        raise Defect(
            f"{what} returned a {type(timestep).__name__}, not a dm_env.TimeStep"
        ) from None
    return step_type, reward, discount, observation
