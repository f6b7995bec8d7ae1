"""A part of a benchmark in a process of its own: with its own cores, threads and libraries.

    python -m benchmarks.stage FUNCTION ARGUMENTS CORES NETWORK PARENT

A stage is a function `package.module:name` that takes JSON-able keyword arguments and either
returns a JSON-able value or, where it is a service, yields one and runs on until it is stopped.
Stages that talk to one another do so in a private network, where the kernel allows one.

A service that yields more than once runs on to its next `yield` each time it is asked to. So
several can take turns: between its turns a stage waits.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import BenchmarkError
from quinoa.launch.machine import private_network, process_environment, termination

# What precedes a stage's answer on its standard output, where libraries may print as well.
_ANSWER = "answer: "
_LOG_LINES = 20
# More seconds than any stage takes.
_PATIENCE_S = 900.0
# The environment's variables of stages, where they are not this process's: see `inherit`.
_inherited: dict[str, str] = {}


class StageError(BenchmarkError):
    """A stage ended without an answer."""


def inherit(variables: Mapping[str, str]) -> None:
    """Has all stages from now on inherit these variables in place of this process's.

    A process that hides the GPU from itself would hide it from them, too.
    """
    _inherited.clear()
    _inherited.update(variables)


def inherited() -> Mapping[str, str]:
    """The variables that stages inherit."""
    return _inherited or os.environ


class Stage:
    """A stage that runs."""

    def __init__(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        cores: Sequence[int] = (),
        threads: int = 1,
        one_heap: bool = False,
        gpu: bool = False,
        network: Sequence[int] = (),
    ):
        """Starts it.

        Args:
            function: `package.module:name`.
            arguments: of the function.
            cores: those that it may use; none named is all.
            threads: of TensorFlow's operations.
            one_heap: whether all its threads allocate from one, as an actor's do.
            gpu: whether it may use the GPU.
            network: what `network` below yields.
        """
        self._function = function
        command = [
            *(sys.executable, "-m", "benchmarks.stage", function),
            *(json.dumps(arguments), json.dumps(list(cores)), json.dumps(list(network))),
            str(os.getpid()),
        ]
        self._process = subprocess.Popen(
            command,
            env=process_environment.for_node(
                inherited(), threads=threads, gpu=gpu, one_heap=one_heap
            ),
            pass_fds=network,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def process_id(self) -> int:
        """The number of its process."""
        return self._process.pid

    def ask(self) -> Any:
        """Has a service run on to its next `yield`; waits for what that gives, as `answer` does."""
        assert self._process.stdin is not None
        # One that has ended says why in its output.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """Waits for what it returns or yields.

        Raises:
            StageError: it ended without; the message has the end of what it printed.
        """
        assert self._process.stdout is not None
        printed: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        too_late = threading.Timer(_PATIENCE_S, self._process.kill)
        too_late.start()
        try:
            for line in self._process.stdout:
                if line.startswith(_ANSWER):
                    return json.loads(line.removeprefix(_ANSWER))
                printed.append(line)
        finally:
            too_late.cancel()
        raise StageError(
            f"{self._function} ended with status {self._process.wait()} (it is ended after "
            f"{_PATIENCE_S:.0f} s):\n{''.join(printed)}"
        )

    def close(self) -> None:
        """Ends it, and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(function: str, arguments: Mapping[str, Any], **placed: Any) -> Any:
    """Runs a stage to its end; the arguments are those of `Stage`."""
    with Stage(function, arguments, **placed) as stage:
        return stage.answer()


def usable_cores() -> list[int]:
    """The cores that this process may use, of which there must be two.

    Raises:
        StageError: there is only one.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise StageError("The benchmarks need two cores at least: a server has one for itself.")
    return cores


def network() -> contextlib.AbstractContextManager[Sequence[int]]:
    """A private network for stages; without one where the system allows none."""
    return private_network.create_if_possible(
        lambda error: print(f"benchmarks: note: no private network can be made here ({error}).")
    )


def _main(function: str, arguments: str, cores: str, network: str, parent_id: str) -> None:
    termination.die_with(int(parent_id))
    if json.loads(cores):
        os.sched_setaffinity(0, json.loads(cores))
    private_network.join(json.loads(network))
    process_environment.quiet_loggers()
    module, _, name = function.partition(":")
    result = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    is_service = inspect.isgenerator(result)
    _say(next(result) if is_service else result)
    if is_service:
        for _ in sys.stdin:
            _say(next(result))
        threading.Event().wait()


def _say(answer: Any) -> None:
    print("\n" + _ANSWER + json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
    sys.stdout.flush()
    # Threads of TensorFlow and Reverb can hang an interpreter that winds down.
    os._exit(0)
