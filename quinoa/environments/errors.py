"""The errors that this package raises."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from quinoa import suggestions


class UnknownEnvironmentError(ValueError):
    """No environment has the name that was asked for."""

    @classmethod
    def suggesting(
        cls, name: str, known: Sequence[str], otherwise: str = ""
    ) -> UnknownEnvironmentError:
        """An error that suggests the known names similar to `name`, or says `otherwise`."""
        hint = suggestions.did_you_mean(name, known) or f" {otherwise}"
        return cls(f"There is no environment {name!r}.{hint}".rstrip())


class InvalidEnvironmentError(ValueError):
    """The environment exists, but it cannot be made here or cannot be made canonical."""


class NotRenderableError(ValueError):
    """The environment cannot be drawn: it has no pictures, or not on this machine."""


class FaultKind(enum.Enum):
    """What an episode came to grief by."""

    NOT_FINITE = "not_finite"  # a number out of the environment is NaN or infinite
    SPEC = "spec"  # what the environment returned is not what its specs say
    RAISED = "raised"  # the environment raised
    ACTION = "action"  # the action is NaN or infinite, and the environment not to blame


class EnvironmentFault(RuntimeError):
    """An episode cannot go on: it names the environment, the step and the value.

    Attributes:
        kind: what happened.
    """

    def __init__(self, message: str, kind: FaultKind = FaultKind.RAISED) -> None:
        super().__init__(message)
        self.kind = kind


class TooManyFaultsError(EnvironmentFault):
    """Too many episodes came to grief; it quotes the latest fault, whose kind it has."""
