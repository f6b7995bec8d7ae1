"""A function run in a process of its own, which tells of itself while it runs.

Training and drawing set environment variables, signal handlers and threads of TensorFlow that a
program of the user's must not find changed: so they have a process of their own, which ends with
the one that started it.

The process gets the function through a pipe, pickled; what comes back is JSON, and no pickle.
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

# Errors that are handed on as they are; others come as a `HostError`.
_ERRORS: Mapping[str, type[Exception]] = {
    error.__name__: error for error in (ExperimentError, RunError)
}
# The event of a line that was printed.
SAID = "said"
# As much as a pipe holds.
_CHUNK = 2**16
_HURRY_S, _KILL_S = 0.5, 10.0


class HostError(RuntimeError):
    """The function failed with an error that is not meant for the caller: its traceback."""


class Hosted:
    """A function in a process of its own.

    Its events, and lines that it printed, are read by `read`, until `is_over`; then `value` is what
    it returned, or raises what it raised. The process is asked to stop, as by SIGTERM, when this
    object or the process that has it is gone.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, draws: bool = False):
        """Starts it.

        Args:
            function: called with a `Channel` and the arguments; what it returns is JSON.
            arguments: for the function; they and it are pickled by `cloudpickle`.
            draws: whether it finds out itself what MuJoCo is to draw by.

        Raises:
            TypeError: they cannot be pickled; the message says why.
            OSError: there is no process to be had.
        """
        import cloudpickle

        try:
            payload = cloudpickle.dumps((function, arguments))
        # Whatever an object's own method for this raises.
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
        # What has come of a line that is not whole, in pieces.
        self._lines: dict[int, list[bytes]] = {reader: [], self._popen.stdout.fileno(): []}
        self._channel = reader
        self._selector = selectors.DefaultSelector()
        for descriptor in self._lines:
            self._selector.register(descriptor, selectors.EVENT_READ)
        self._last: Mapping[str, Any] | None = None
        self._said: list[str] = []
        # Ended before it had read all: `value` will say so.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(len(payload).to_bytes(8, "big") + payload)
            self._stdin.flush()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._popen.pid

    @property
    def is_over(self) -> bool:
        """Whether all has been read that it told, and it has ended."""
        return not self._lines

    def read(self, timeout_s: float) -> list[tuple[str, Any]]:
        """What it has told since the last time; waits for something to come.

        Args:
            timeout_s: seconds to wait, at most.

        Returns:
            Events by name, in order; a line that was printed is the event `SAID`.
        """
        events: list[tuple[str, Any]] = []
        # Processes that an environment has left behind may hold the pipes open for ever. What this
        # one has written is read whole, for a pipe holds no more than a chunk.
        has_ended = self._popen.poll() is not None
        for key, _ in self._selector.select(0.0 if has_ended else timeout_s):
            data = os.read(key.fd, _CHUNK)
            events += self._heard(key.fd, self._whole_lines(key.fd, data))
            if not data:
                self._close(key.fd)
        if has_ended:
            for descriptor in list(self._lines):
                events += self._heard(descriptor, self._whole_lines(descriptor, b""))
                self._close(descriptor)
        if self.is_over:
            self._popen.wait()
        return events

    def value(self) -> Any:
        """What the function returned, once `is_over`.

        Raises:
            ExperimentError, RunError: the function did.
            HostError: it raised anything else, or its process was killed.
        """
        if self._last is None:
            code = self._popen.returncode
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
            raise HostError("\n".join([*self._said, f"The process of the run ended {how}."]))
        if "returned" in self._last:
            return self._last["returned"]
        name, message = self._last["raised"]
        raise _ERRORS.get(name, HostError)(message)

    def stop(self) -> None:
        """Asks it to stop, as by SIGTERM; a second time asks it to hurry."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it: asks it to stop and to hurry, and kills it if it does neither."""
        # Two signals at the same time may arrive as one.
        for seconds in (_HURRY_S, _KILL_S):
            self.stop()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        for descriptor in list(self._lines):
            self._close(descriptor)

    def _whole_lines(self, descriptor: int, data: bytes) -> list[bytes]:
        """The lines that are whole with this data; no data is the end, of a last line as well.

        But not of an event: the process was killed while it told that.
        """
        begun = self._lines[descriptor]
        begun.append(data)
        if data and b"\n" not in data:
            return []
        *whole, rest = b"".join(begun).split(b"\n")
        begun[:] = [rest] if data else []
        is_printed = not data and rest and descriptor != self._channel
        return [*whole, rest] if is_printed else whole

    def _heard(self, descriptor: int, lines: Sequence[bytes]) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        for line in lines:
            if descriptor != self._channel:
                text = line.decode("utf-8", "replace")
                self._said = [*self._said, text][-20:]
                events.append((SAID, text))
                continue
            told = json.loads(line)
            if "event" in told:
                events.append((told["event"], told["value"]))
            else:
                self._last = told
        return events

    def _close(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        del self._lines[descriptor]
        if descriptor == self._channel:
            os.close(descriptor)
        else:
            assert self._popen.stdout is not None
            self._popen.stdout.close()
        if not self._lines:
            self._selector.close()
            with contextlib.suppress(OSError):
                self._stdin.close()


class Channel:
    """What the function has of the process that started it.

    Attributes:
        inherited: the environment variables of that process.
    """

    inherited: Mapping[str, str]

    def __init__(self, descriptor: int):
        """Writes to a pipe, events as lines of JSON."""
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def tell(self, event: str, value: Any) -> None:
        """Writes an event; nobody may be there any more to read it."""
        self.write({"event": event, "value": value})

    def offer(self, event: str, value: Any) -> None:
        """Writes an event that a later one replaces: none where the reader is far behind.

        So this process never waits for one that is at something else.
        """
        if select.select([], [self._descriptor], [], 0.0)[1]:
            self.tell(event, value)

    def write(self, line: Mapping[str, Any]) -> None:
        """Writes a line."""
        data = (json.dumps(line) + "\n").encode()
        with self._lock, contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


def _main() -> int:
    descriptor = int(sys.argv[1])
    # Or Ctrl-C in the terminal would reach it as well as the program, which hands it on.
    os.setpgrp()
    from quinoa.launch.machine import process_environment

    channel = Channel(descriptor)
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    payload = sys.stdin.buffer.read(size)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    last: Mapping[str, Any]
    try:
        channel.inherited = process_environment.set_for_this_process(
            tries_drawing=sys.argv[2] != "draws"
        )
        import cloudpickle

        # Pickled by the process that started this one, and sent through a pipe.
        function, arguments = cloudpickle.loads(payload)
        last = {"returned": function(channel, *arguments)}
    except (Exception, SystemExit) as error:
        name = type(error).__name__
        is_ours = type(error) is _ERRORS.get(name)
        last = {"raised": [name, str(error) if is_ours else traceback.format_exc().rstrip()]}
    channel.write(last)
    return 0


def _end_with_parent() -> None:
    """Asks this process to stop when the one that started it is gone, or wants nothing more."""
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
    # As in `node_main`: threads of TensorFlow can hang an interpreter that winds down.
    os._exit(status)
