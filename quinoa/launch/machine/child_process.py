"""Runs a function in a child process, which reports events while it runs.

Training and drawing change environment variables, signal handlers and TensorFlow's threads, which
must not happen in a user's program. So they run in a child process, which stops when its parent
ends.

The child gets the pickled function through a pipe; it answers in JSON, not in pickles.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine import interpreter

# Errors that the parent raises, also of kinds derived from these; others become a `ChildError`.
_ERRORS: Mapping[str, type[Exception]] = {
    error.__name__: error for error in (ExperimentError, RunError)
}
_OTHER = "other"
# The event of a line that the child printed.
PRINTED = "printed"
# The capacity of a pipe in bytes.
_CHUNK = 2**16
_SECOND_SIGTERM_S, _KILL_S = 0.5, 10.0


class ChildError(RuntimeError):
    """The function raised an unexpected error (the message is its traceback), or was killed."""


class ChildProcess:
    """A function that runs in a child process.

    Call `read` for its events and printed lines until `is_over`; then `value` returns what the
    function returned, or raises what it raised. The child gets SIGTERM when this object, or the
    process that has it, is gone.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, draws: bool = False):
        """Starts it.

        Args:
            function: called with a `Channel` and the arguments; returns a JSON-able value.
            arguments: the function's arguments, pickled with it by `cloudpickle`.
            draws: whether the function chooses MuJoCo's renderer itself.

        Raises:
            TypeError: the function or an argument cannot be pickled; the message says why.
            OSError: the process cannot be started.
        """
        import cloudpickle

        try:
            payload = cloudpickle.dumps((function, arguments))
        # An object's own pickling method may raise anything.
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        reader, writer = os.pipe()
        try:
            self._popen = subprocess.Popen(
                interpreter.command(__name__, str(writer), "draws" if draws else ""),
                pass_fds=[writer],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._stdin = self._popen.stdin
        # The pieces read so far of a line that is not complete, by descriptor.
        self._partial_lines: dict[int, list[bytes]] = {reader: [], self._popen.stdout.fileno(): []}
        self._channel = reader
        self._selector = selectors.DefaultSelector()
        for descriptor in self._partial_lines:
            self._selector.register(descriptor, selectors.EVENT_READ)
        self._result: Mapping[str, Any] | None = None
        self._printed: list[str] = []
        # The child ended before it had read everything: `value` will raise that.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(len(payload).to_bytes(8, "big") + payload)
            self._stdin.flush()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._popen.pid

    @property
    def is_over(self) -> bool:
        """Whether the child has ended and all its output has been read."""
        return not self._partial_lines

    def read(self, timeout_s: float) -> list[tuple[str, Any]]:
        """Reads the child's new events, waiting for the first.

        Args:
            timeout_s: the longest wait in seconds.

        Returns:
            Names and values of events in order; a printed line is the event `PRINTED`.
        """
        events: list[tuple[str, Any]] = []
        # Once the child has ended, its pipes are read and closed without waiting for their end,
        # since processes that an environment left behind may keep them open for ever. One read of
        # a pipe's capacity gets everything that is left.
        has_ended = self._popen.poll() is not None
        for key, _ in self._selector.select(0.0 if has_ended else timeout_s):
            data = os.read(key.fd, _CHUNK)
            events += self._parsed(key.fd, self._complete_lines(key.fd, data))
            if not data:
                self._close(key.fd)
        if has_ended:
            for descriptor in list(self._partial_lines):
                events += self._parsed(descriptor, self._complete_lines(descriptor, b""))
                self._close(descriptor)
        if self.is_over:
            self._popen.wait()
        return events

    def value(self) -> Any:
        """What the function returned; to be called once `is_over`.

        Raises:
            ExperimentError, RunError: the function raised it.
            ChildError: the function raised anything else, or the child was killed.
        """
        if self._result is None:
            code = self._popen.returncode
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
            raise ChildError("\n".join([*self._printed, f"The process of the run ended {how}."]))
        if "returned" in self._result:
            return self._result["returned"]
        kind, message = self._result["raised"]
        raise _ERRORS.get(kind, ChildError)(message)

    def stop(self) -> None:
        """Sends SIGTERM, which asks the child to stop; a second one asks it to stop at once."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Stops the child by up to two SIGTERMs, and kills it if it does not end."""
        # With a pause between them: two signals at the same time may arrive as one.
        for seconds in (_SECOND_SIGTERM_S, _KILL_S):
            self.stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        for descriptor in list(self._partial_lines):
            self._close(descriptor)

    def _complete_lines(self, descriptor: int, data: bytes) -> list[bytes]:
        """The lines that are complete with this data; empty data is the end of the stream.

        The end also completes a last printed line without a line break, but not an event: the child
        was killed while it wrote that.
        """
        pieces = self._partial_lines[descriptor]
        pieces.append(data)
        if data and b"\n" not in data:
            return []
        *complete, rest = b"".join(pieces).split(b"\n")
        pieces[:] = [rest] if data else []
        is_printed = not data and rest and descriptor != self._channel
        return [*complete, rest] if is_printed else complete

    def _parsed(self, descriptor: int, lines: Sequence[bytes]) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        for line in lines:
            if descriptor != self._channel:
                text = line.decode("utf-8", "replace")
                self._printed = [*self._printed, text][-20:]
                events.append((PRINTED, text))
                continue
            message = json.loads(line)
            if "event" in message:
                events.append((message["event"], message["value"]))
            else:
                self._result = message
        return events

    def _close(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        del self._partial_lines[descriptor]
        if descriptor == self._channel:
            os.close(descriptor)
        else:
            assert self._popen.stdout is not None
            self._popen.stdout.close()
        if not self._partial_lines:
            self._selector.close()
            with contextlib.suppress(OSError):
                self._stdin.close()


class Channel:
    """The function's connection to the parent process.

    Attributes:
        inherited: the parent's environment variables.
    """

    inherited: Mapping[str, str]

    def __init__(self, descriptor: int):
        """Takes the pipe to write to."""
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, event: str, value: Any) -> None:
        """Sends an event; it is lost if the parent has gone."""
        self.write({"event": event, "value": value})

    def offer(self, event: str, value: Any) -> None:
        """Sends an event that a later one will replace, unless the pipe is full.

        So this process never waits for a parent that does not read.
        """
        if select.select([], [self._descriptor], [], 0.0)[1]:
            self.send(event, value)

    def write(self, line: Mapping[str, Any]) -> None:
        """Writes a line of JSON."""
        data = (json.dumps(line) + "\n").encode()
        with self._lock, contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


def _main() -> int:
    descriptor = int(sys.argv[1])
    # Otherwise Ctrl-C would reach this process directly, besides the signal that the parent sends.
    os.setpgrp()
    from quinoa.launch.machine import process_environment

    channel = Channel(descriptor)
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    payload = sys.stdin.buffer.read(size)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    result: Mapping[str, Any]
    try:
        channel.inherited = process_environment.set_for_this_process(
            tries_drawing=sys.argv[2] != "draws"
        )
        import cloudpickle

        # Safe to unpickle: the parent sent it through a private pipe.
        function, arguments = cloudpickle.loads(payload)
        result = {"returned": function(channel, *arguments)}
    except (Exception, SystemExit) as error:
        kind = next((name for name, ours in _ERRORS.items() if isinstance(error, ours)), _OTHER)
        message = traceback.format_exc().rstrip() if kind == _OTHER else str(error)
        result = {"raised": [kind, message]}
    channel.write(result)
    return 0


def _end_with_parent() -> None:
    """Sends this process SIGTERM when its parent is gone or closes the pipe."""
    while True:
        try:
            if not os.read(sys.stdin.fileno(), 1):
                break
        except OSError:
            break
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_KILL_S)


if __name__ == "__main__":
    status = _main()
    from quinoa.launch.terminal.output import flush

    flush()
    # As in `node_main`: TensorFlow's threads can hang an interpreter that exits.
    os._exit(status)
