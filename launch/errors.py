"""The errors of this package, each one line that says what to do."""

from __future__ import annotations


class ExperimentError(ValueError):
    """The experiment cannot be run as it is described."""


class RunError(RuntimeError):
    """A run's folder is missing, incomplete or damaged."""
