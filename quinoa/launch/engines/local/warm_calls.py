"""Calls functions in processes that are forked from a warm parent.

So the process of an engine, which only waits most of the time, imports no TensorFlow: that would
take two seconds of a processor, and 200 MB for as long as the run lasts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import cloudpickle

from quinoa.launch.engines.calls import Call, Caller, call_here, say_on_stderr
from quinoa.launch.engines.local.warm_parent import ForkedProcess, WarmParent, WarmParentError
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import process_environment, termination
from quinoa.launch.machine.streams import prepare
from quinoa.launch.terminal.output import flush, show_library_warnings

MAIN = __name__

T = TypeVar("T")

_POLL_S = 0.05


class _CallProgram(NamedTuple):
    """See `warm_parent.Program`."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: int
    descriptors: Sequence[int]

    @property
    def main(self) -> str:
        return MAIN


def through(warm: WarmParent, folder: Path) -> Call:
    """Calls functions in processes that are forked from a warm parent.

    Where that is lost, they are called in this process, with a note.

    Args:
        warm: the warm parent.
        folder: the folder that the processes start in, an absolute path.
    """

    def call(
        what: str,
        function: Callable[[Caller], T],
        *,
        caller: Caller = Caller(),  # noqa: B008 - cannot change
        on_output: Callable[[str], object] = say_on_stderr,
    ) -> T:
        with contextlib.ExitStack() as closing:
            printed = closing.enter_context(open(os.memfd_create("printed"), "w+b"))
            ours, theirs = Pipe()
            closing.enter_context(ours)
            with theirs:
                program = _CallProgram(
                    [f"--parent={os.getpid()}"],
                    warm.environment,
                    folder,
                    printed.fileno(),
                    [theirs.fileno()],
                )
                try:
                    process = warm.fork(program, caller.should_stop)
                except WarmParentError as error:
                    process = None
                    on_output(
                        f"quinoa: note: the process that others are forked from is lost ({error}): "
                        "they import TensorFlow themselves."
                    )
            if process is None:
                return call_here(what, function, caller=caller)
            closing.callback(_relay, printed, on_output)
            with _ended(process):
                return _answer_of(process, ours, what, function, caller)

    return call


@contextlib.contextmanager
def _ended(process: ForkedProcess) -> Iterator[None]:
    """A process that does not outlive this context."""
    try:
        yield
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def _answer_of(
    process: ForkedProcess,
    connection: Connection,
    what: str,
    function: Callable[[Caller], T],
    caller: Caller,
) -> T:
    has_told = False
    try:
        connection.send_bytes(cloudpickle.dumps(function))
        while True:
            if not has_told and caller.should_stop():
                os.kill(process.pid, signal.SIGTERM)
                has_told = True
            if not connection.poll(_POLL_S):
                continue
            kind, value = cloudpickle.loads(connection.recv_bytes())
            if kind == "returned":
                result: T = value
                return result
            if kind == "raised":
                raise value
            caller.tell(value)
    except (EOFError, ConnectionError):
        status = process.wait()
        why = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
        raise ExperimentError(f"{what} has ended the process that does so, {why}.") from None


def _relay(printed: BinaryIO, on_output: Callable[[str], object]) -> None:
    printed.seek(0)
    text = printed.read().decode("utf-8", "replace").rstrip("\n")
    if text:
        on_output(text)


def answer(arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """In the forked process: receives a function, calls it, and sends what comes of that.

    Args:
        arguments: `--parent=PID`.
        descriptors: of the connection.

    Returns:
        The exit status.
    """
    (parent,) = arguments
    prepare()
    termination.die_with(int(parent.partition("=")[2]))
    faulthandler.enable()
    is_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_to_stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    process_environment.quiet_loggers()
    show_library_warnings()
    connection = Connection(descriptors[0])

    def send(kind: str, value: Any) -> None:
        connection.send_bytes(cloudpickle.dumps((kind, value)))

    outcome: tuple[str, Any]
    try:
        function = cloudpickle.loads(connection.recv_bytes())
        result = function(Caller(lambda message: send("told", message), is_to_stop.is_set))
    except Exception as error:
        outcome = "raised", error
    else:
        outcome = "returned", result
    # Once it has its answer, the other process ends this one.
    flush()
    send(*outcome)
    return 0
