"""Processes of Python that are forked from one which has imported what they would import.

To import TensorFlow takes two seconds of a processor, and most of what a test of a whole run costs.
Here a process is forked, from one that each worker of the tests has, and then becomes what the
command line says, as the interpreter would make it: with its arguments, variables, folder, streams
and signals. What that process starts with `WarmParent` or `ChildProcess` is forked from itself in
turn. Tests of how processes are started, and of the time until they are there, are to start them
with `subprocess`.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import cloudpickle
import pytest

from quinoa.launch.engines.local import warm_calls, warm_parent
from quinoa.launch.machine import child_process, process_title
from quinoa.launch.nodes.heartbeat import Heartbeat

ROOT = Path(__file__).parents[2]
# Beyond all that a process has open, for descriptors on their way to their numbers.
_ASIDE = 500
# In a forked process: descriptors that are its libraries', which have opened them at import.
_of_libraries: set[int] = set()


class _Program(NamedTuple):
    """See `warm_parent.Program`."""

    main: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: int
    descriptors: Sequence[int]


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of a command line of Python, forked in place of executed."""

    def _execute_child(self, args: Sequence[str], *others: Any) -> None:
        (_, _, _, pass_fds, cwd, env, _, _, _), streams = others[:9], others[9:15]
        targets = _targets(streams, pass_fds)
        ours, theirs = Pipe()
        life = contextlib.closing(Heartbeat())
        with ours, theirs, open(os.devnull, "r+b") as nothing, life as heartbeat:
            inherited = [number for number, _ in targets]
            program = _Program(
                warm_calls.MAIN,
                [f"--parent={os.getpid()}"],
                dict(os.environ if env is None else env),
                Path(cwd or os.getcwd()),
                nothing.fileno(),
                [theirs.fileno(), heartbeat.descriptor, *inherited],
            )
            process = _ready().fork(program, lambda: False)
            assert process is not None
            identities = [(_identity(number), target) for number, target in targets]
            become = functools.partial(_become, list(map(os.fspath, args)), identities)
            ours.send_bytes(cloudpickle.dumps(become))
        self.pid = process.pid
        self._child_created = True
        self._close_pipe_fds(*streams)  # type: ignore[attr-defined]


class _OfItself(subprocess.Popen[Any]):
    """The same, forked from this process."""

    def _execute_child(self, args: Sequence[str], *others: Any) -> None:
        if len(os.listdir("/proc/self/task")) != 1:
            super()._execute_child(args, *others)  # type: ignore[misc]
            return
        (_, _, _, pass_fds, cwd, env, _, _, _), streams = others[:9], others[9:15]
        targets = _targets(streams, pass_fds)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                signal.set_wakeup_fd(-1)
                if cwd is not None:
                    os.chdir(cwd)
                if env is not None:
                    os.environ.clear()
                    os.environ.update(env)
                _become(list(args), [(_identity(number), target) for number, target in targets])
            finally:
                os._exit(1)
        self._child_created = True
        self._close_pipe_fds(*streams)  # type: ignore[attr-defined]


def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` of such a command line; its output is captured as text by default."""
    timeout_s = options.pop("timeout", None)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with Popen(command, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@contextlib.contextmanager
def starting(module: types.ModuleType) -> Iterator[None]:
    """Has what a module starts with its `subprocess.Popen` be forked, within the context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "subprocess", _with(Popen))
        yield


def _with(popen: type[subprocess.Popen[Any]]) -> types.SimpleNamespace:
    """The module `subprocess` with another `Popen`."""
    names = {name: getattr(subprocess, name) for name in dir(subprocess)}
    return types.SimpleNamespace(**{**names, "Popen": popen})


@functools.cache
def _ready() -> warm_parent.WarmParent:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm_parent, "MAIN", "tests.launch.forked_main")
        # Not within `starting`.
        patch.setattr(warm_parent, "subprocess", subprocess)
        made = warm_parent.WarmParent(inherited, ROOT)
    atexit.register(made.close)
    return made


def _targets(streams: Sequence[int], pass_fds: Sequence[int]) -> list[tuple[int, int]]:
    """Descriptors of this process, and the numbers that a child is to have them under."""
    stdin, _, _, stdout, _, stderr = streams
    standard = [(stdin, 0), (stdout, 1), (stderr, 2)]
    return [*((have, wanted) for have, wanted in standard if have >= 0), *zip(pass_fds, pass_fds)]  # noqa: B905


def _identity(number: int) -> tuple[int, int]:
    found = os.fstat(number)
    return found.st_dev, found.st_ino


def _become(
    args: Sequence[str], targets: Sequence[tuple[tuple[int, int], int]], *_: object
) -> NoReturn:
    """In the forked process: runs a command line as a new interpreter would, and ends."""
    _move_descriptors(targets)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
    # It leads its session, and so a group.
    os.setpgrp = lambda: None
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(number, mode, buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    process_title.rewrite(" ".join(args))
    for module in (warm_parent, child_process):
        vars(module)["subprocess"] = _with(_OfItself)
    _end(_status_of(functools.partial(_interpret, args)))


def _move_descriptors(targets: Sequence[tuple[tuple[int, int], int]]) -> None:
    have: dict[tuple[int, int], int] = {}
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            have.setdefault(_identity(number), number)
    aside = [
        (fcntl.fcntl(have[identity], fcntl.F_DUPFD, _ASIDE), target) for identity, target in targets
    ]
    if not _of_libraries:
        _of_libraries.update(set(have.values()) - {have[identity] for identity, _ in targets})
    for number, target in aside:
        os.dup2(number, target)
        _of_libraries.discard(target)
    kept = {0, 1, 2, *_of_libraries, *(target for _, target in targets)}
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)


def _interpret(args: Sequence[str]) -> None:
    """What `python -m MODULE ...`, `python -c CODE ...` and `python FILE ...` do."""
    _, what, *rest = args
    if what == "-m":
        sys.path.insert(0, os.getcwd())
        sys.argv[:] = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        sys.path.insert(0, "")
        sys.argv[:] = ["-c", *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    else:
        sys.path.insert(0, str(Path(what).parent))
        sys.argv[:] = [what, *rest]
        runpy.run_path(what, run_name="__main__")


def _status_of(function: Callable[[], object]) -> int:
    """The exit status, or minus the signal that ends the process."""
    try:
        function()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(status: int) -> NoReturn:
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if status < 0:
            signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
    finally:
        os._exit(status & 0xFF)
