"""The errors of this package, each one line that says what to do."""

from __future__ import annotations


class ExperimentError(ValueError):
    """The experiment cannot be run as it is described."""


class FatalError(RuntimeError):
    """What a node ends the run with: started again, it would fail again."""


class RunError(RuntimeError):
    """A run's folder is missing, incomplete or damaged."""
