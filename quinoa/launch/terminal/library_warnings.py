"""Warnings of packages that know no terminal, as notes on it."""

from __future__ import annotations

import logging
import sys

from quinoa.launch.terminal.output import say

# Of the package that logs what can be lived with.
_LOGGER = "quinoa.environments"


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # The stream of now: a progress bar, or a test, may have put another in its place.
        say(f"quinoa: note: {record.getMessage()}", sys.stderr)


def show() -> None:
    """From now on, this process shows them on standard error; does nothing the second time."""
    logger = logging.getLogger(_LOGGER)
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes(logging.WARNING))
