"""Where what a run does before and after its processes, and needs TensorFlow for, is called."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from quinoa.launch.terminal.output import say

T = TypeVar("T")


class NotStoppedError(Exception):
    """A function has been told to stop, and was ended as it did not."""


class CallError(RuntimeError):
    """The function raised an error that no other process can have; the message is its traceback."""


def sendable(error: Exception) -> Exception:
    """An error as another process can have it: itself, if it can be pickled and loaded again.

    That of a user's code may hold anything, or take other arguments than its message.
    """
    import cloudpickle

    try:
        if isinstance(cloudpickle.loads(cloudpickle.dumps(error)), Exception):
            return error
    # Its own methods for that may raise anything.
    except Exception:
        pass
    return CallError("".join(traceback.format_exception(error)).rstrip())


def _ignore(message: Any) -> None:
    del message


def _never() -> bool:
    return False


def say_on_stderr(text: str) -> None:
    """Prints a text on standard error."""
    say(text, sys.stderr)


@dataclasses.dataclass(frozen=True)
class Caller:
    """The other side of a call, for the function that is called.

    Attributes:
        tell: tells it something that can be pickled.
        should_stop: whether it wants an answer soon.
    """

    tell: Callable[[Any], object] = _ignore
    should_stop: Callable[[], bool] = _never


class Call(Protocol):
    """Calls functions, in this process or in another."""

    def __call__(
        self,
        what: str,
        function: Callable[[Caller], T],
        *,
        caller: Caller = Caller(),
        on_output: Callable[[str], object] = say_on_stderr,
    ) -> T:
        """Calls a function.

        Args:
            what: a few words on what it does, which begin a sentence, for errors.
            function: can be pickled by cloudpickle, as its result can.
            caller: what it gets.
            on_output: gets what it has printed, if that is kept from standard output.

        Returns:
            What it returns.

        Raises:
            ExperimentError: its process has ended before it has returned, or was ended as it made
                no progress.
            NotStoppedError: it was ended as it has not stopped when it was told to.
            Exception: what it raises, as `sendable` gives it where it is called in another process.
        """


def call_here(
    what: str,
    function: Callable[[Caller], T],
    *,
    caller: Caller = Caller(),
    on_output: Callable[[str], object] = say_on_stderr,
) -> T:
    """Calls a function in this process; see `Call`."""
    del what, on_output
    return function(caller)
