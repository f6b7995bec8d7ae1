"""The errors that this package raises."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from quinoa.suggestions import did_you_mean


class UnknownEnvironmentError(ValueError):
    """No environment has this name."""

    @classmethod
    def suggesting(
        cls, name: str, known: Sequence[str], otherwise: str = ""
    ) -> UnknownEnvironmentError:
        """Makes an error that suggests the known names similar to `name`, or else `otherwise`."""
        hint = did_you_mean(name, known) or f" {otherwise}"
        return cls(f"There is no environment {name!r}.{hint}".rstrip())


def require_known(suite: str, name: str, names: Sequence[str], otherwise: str = "") -> None:
    """Raises `UnknownEnvironmentError` unless a suite has a task of this name.

    Args:
        suite: what is before the colon.
        name: what is after it.
        names: all that the suite has.
        otherwise: what to say where no name is similar; by default all of them.
    """
    if name not in names:
        raise UnknownEnvironmentError.suggesting(
            f"{suite}:{name}",
            [f"{suite}:{known}" for known in names],
            otherwise or f"The tasks are {', '.join(names)}.",
        )


class InvalidEnvironmentError(ValueError):
    """The environment exists, but cannot be made here, or not made canonical."""


class NotRenderableError(ValueError):
    """The environment cannot be rendered, or not on this machine."""


class FaultKind(enum.Enum):
    """Why an episode failed."""

    NOT_FINITE = "not_finite"  # a number from the environment is NaN or infinite
    SPEC = "spec"  # what the environment returned violates its specs
    RAISED = "raised"  # the environment raised
    ACTION = "action"  # the policy's action is NaN or infinite


class EnvironmentFault(RuntimeError):
    """An episode failed; the message names the environment, the step and the value.

    Attributes:
        kind: why it failed.
    """

    def __init__(self, message: str, kind: FaultKind = FaultKind.RAISED) -> None:
        super().__init__(message)
        self.kind = kind


class TooManyFaultsError(EnvironmentFault):
    """Too many episodes failed; the message and the kind are the latest fault's."""
