"""How a node's process ends, as its engine learns of it: by the exit status."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from quinoa.launch.errors import FatalError

# Of an actor that was told to stop while the run continues. The engine knows who told it, and
# whether that was intended.
TOLD_TO_STOP = 128 + signal.SIGTERM

# Of an actor that stops because the run is over, as its counter has told it. It is not 0: code
# that an environment calls may end a process with that at any time, by a library's exit(0).
RUN_IS_OVER = 72

# Of a node that failed with a `FatalError`. It would fail again, so the run ends at once.
FATAL = 70


@contextlib.contextmanager
def too_many_faults_are_fatal() -> Iterator[None]:
    """Makes too many faults of the environments an error that ends the run.

    Raises:
        FatalError: there were too many. In a new process they would fail again.
    """
    # The counter's process and the engine, which import this module too, need no environment.
    from quinoa.environments import TooManyFaultsError

    try:
        yield
    except TooManyFaultsError as error:
        raise FatalError(f"The environment fails too often: {error}") from error
