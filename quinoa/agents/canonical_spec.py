"""What environments agents work on: those whose specs are canonical."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from acme import specs

from quinoa.agents.actions import ActionSet, Box, FiniteSet, action_set


class SpecError(ValueError):
    """An environment's specs are not what agents work on; the message says what is."""


def check_spec(
    spec: specs.EnvironmentSpec,
    *,
    actions: type[ActionSet] | tuple[type[ActionSet], ...] = Box,
) -> None:
    """Checks that an environment is canonical, and that its actions are what an agent takes.

    Canonical are observations float32 [O], and actions that are either a box, float32 [A] bounded
    by -1 and 1, or a finite set, one of n. Agents call it where they are made and where their
    policies are; `Agent.check_spec` is the place to say what an agent takes.

    Args:
        spec: of the environment.
        actions: what the agent takes, `Box`, `FiniteSet` or both.

    Raises:
        SpecError: the specs are not canonical, or the actions of the other kind.
    """
    if not _is_vector(spec.observations):
        _refuse("observations", "float32 vectors [O]", spec.observations)
    try:
        found = action_set(spec.actions)
    except ValueError:
        _refuse("actions", "float32 vectors [A] in [-1, 1]", spec.actions)
    if isinstance(found, actions):
        return
    if isinstance(found, FiniteSet):
        raise SpecError(
            "This agent takes actions from a box (environments.make brings continuous ones to "
            f"float32 vectors [A] in [-1, 1]), but the environment's actions are {found}: take an "
            "agent for finite sets of actions, or another environment."
        )
    raise SpecError(
        "This agent takes actions from a finite set, but the environment's actions are "
        f"{found}: take an agent for continuous actions, or another environment."
    )


def _is_vector(spec: Any) -> bool:
    is_array = isinstance(spec, specs.Array)
    return is_array and spec.dtype == np.float32 and len(spec.shape) == 1 and spec.shape[0] > 0


def _refuse(what: str, wanted: str, spec: Any) -> NoReturn:
    raise SpecError(
        f"The environment's {what} must be {wanted}, but their spec is {spec!r}. Make the "
        "environment with environments.make, which brings it into this form."
    )
