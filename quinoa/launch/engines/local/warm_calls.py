"""Calls functions in processes that are forked from a warm parent.

So the process of an engine, which only waits most of the time, imports no TensorFlow: that would
take two seconds of a processor, and 200 MB for as long as the run lasts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import cloudpickle

from quinoa.launch.engines.awake_clock import AwakeClock
from quinoa.launch.engines.calls import (
    Call,
    Caller,
    NotStoppedError,
    call_here,
    say_on_stderr,
    sendable,
)
from quinoa.launch.engines.local.group_guard import GUARD, kill_with_group
from quinoa.launch.engines.local.warm_parent import ForkedProcess, WarmParent, WarmParentError
from quinoa.launch.engines.supervision import START_TIMEOUT_S
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import process_environment, termination
from quinoa.launch.machine.streams import prepare
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.heartbeat import Heartbeat
from quinoa.launch.terminal.output import flush, show_library_warnings

MAIN = __name__

T = TypeVar("T")

_POLL_S = 0.05
# Seconds that a function has to return when it has been told to stop: a step of an environment, and
# what follows it.
STOP_S = 5.0


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


def through(warm: WarmParent, folder: Path, *, hang_timeout_s: float = math.inf) -> Call:
    """Calls functions in processes that are forked from a warm parent.

    Where that is lost, they are called in this process, with a note, and without a time limit.

    Args:
        warm: the warm parent.
        folder: the folder that the processes start in, an absolute path.
        hang_timeout_s: seconds without a sign of life after which a process is killed, as of the
            run's others: a function gives one whenever it asks whether it should stop. To the first
            one it has `START_TIMEOUT_S` at least.
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
            life = closing.enter_context(contextlib.closing(Heartbeat()))
            with theirs:
                program = _CallProgram(
                    [f"--parent={os.getpid()}"],
                    warm.environment,
                    folder,
                    printed.fileno(),
                    [theirs.fileno(), life.descriptor],
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
                limit = _Limit(what, life, hang_timeout_s)
                return _answer_of(process, ours, what, function, caller, limit)

    return call


@contextlib.contextmanager
def _ended(process: ForkedProcess) -> Iterator[None]:
    """A process that does not outlive this context, nor does what it has started."""
    GUARD.add(process.pid)
    try:
        yield
    finally:
        if process.returncode is None:
            kill_with_group(process.pid)
        # Before its number is free.
        GUARD.remove(process.pid)
        if process.returncode is None:
            process.wait()


class _Limit:
    """How long a process may give no sign of life, and may take when it has been told to stop.

    The times are those of an `AwakeClock`: this process may be stopped, with the other.
    """

    def __init__(self, what: str, life: Heartbeat, hang_timeout_s: float):
        self._what = what
        self._life = life
        self._hang_timeout_s = hang_timeout_s
        self._clock = AwakeClock()
        self._beats = 0
        self._beat_at = 0.0
        self._told_at: float | None = None

    @property
    def has_told(self) -> bool:
        return self._told_at is not None

    def tell(self) -> None:
        """It has been told to stop just now."""
        self._told_at = self._clock.look()

    def check(self) -> None:
        """Raises `NotStoppedError` or `ExperimentError` where one of the times is over."""
        now = self._clock.look()
        if self._told_at is not None and now - self._told_at >= STOP_S:
            raise NotStoppedError(f"{self._what} has not stopped within {STOP_S:.0f} s.")
        if (beats := self._life.count) != self._beats:
            self._beats, self._beat_at = beats, now
        limit_s = self._hang_timeout_s if beats else max(self._hang_timeout_s, START_TIMEOUT_S)
        if now - self._beat_at >= limit_s:
            raise ExperimentError(
                f"{self._what} has made no progress for {now - self._beat_at:.0f} s, and was "
                "ended: where the environment takes that long, give a longer --hang_timeout."
            )


def _answer_of(
    process: ForkedProcess,
    connection: Connection,
    what: str,
    function: Callable[[Caller], T],
    caller: Caller,
    limit: _Limit,
) -> T:
    try:
        connection.send_bytes(cloudpickle.dumps(function))
        while True:
            if not limit.has_told and caller.should_stop():
                os.kill(process.pid, signal.SIGTERM)
                limit.tell()
            if not connection.poll(_POLL_S):
                limit.check()
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
        descriptors: of the connection, and of the heartbeat.

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
    heartbeat.attach(descriptors[1])
    sending = threading.Lock()

    def send(kind: str, value: Any) -> None:
        with sending:
            connection.send_bytes(cloudpickle.dumps((kind, value)))

    outcome: tuple[str, Any]
    try:
        function = cloudpickle.loads(connection.recv_bytes())
        should_stop = heartbeat.beating(is_to_stop.is_set)
        result = function(Caller(lambda message: send("told", message), should_stop))
    except Exception as error:
        outcome = "raised", sendable(error)
    else:
        outcome = "returned", result
    # Once it has its answer, the other process ends this one.
    flush()
    send(*outcome)
    return 0
