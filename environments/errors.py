"""The errors that this package raises."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class UnknownEnvironmentError(ValueError):
    """No environment has the name that was asked for."""

    @classmethod
    def suggesting(
        cls, name: str, known: Sequence[str], otherwise: str = ""
    ) -> UnknownEnvironmentError:
        """An error that suggests the known names similar to `name`, or says `otherwise`."""
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.8)
        hint = f"Did you mean {' or '.join(near)}?" if near else otherwise
        return cls(f"There is no environment {name!r}. {hint}".rstrip())


class InvalidEnvironmentError(ValueError):
    """The environment exists, but it cannot be made here or cannot be made canonical."""


class EnvironmentFault(RuntimeError):
    """An environment broke its own specs, or raised, while it was reset or stepped."""
