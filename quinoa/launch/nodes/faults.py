"""What a node does about environments that fail too often."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from quinoa.environments import TooManyFaultsError
from quinoa.launch.errors import FatalError


@contextlib.contextmanager
def too_many_are_fatal() -> Iterator[None]:
    """Has too many faults of environments end the run: started again, they would fail again.

    Raises:
        FatalError: there were too many.
    """
    try:
        yield
    except TooManyFaultsError as error:
        raise FatalError(f"The environment fails too often: {error}") from error
