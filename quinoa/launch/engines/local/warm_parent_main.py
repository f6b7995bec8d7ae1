"""The main program of the warm parent, from which the local engine forks processes.

It imports what nodes import, once, and forks a copy of itself for each request of the engine (see
`warm_parent.WarmParent`), which runs a node or makes a call (see `warm_calls`). A forked process
lacks the threads of its parent and finds the locks that they had locked for ever; so this one has
only one thread: it imports, but calls nothing of TensorFlow, gRPC or Reverb, and it refuses to fork
once something has started a thread even so.

Between the engine and such a process there is one more, which ends at once: the kernel then makes
the engine the parent, as if that had started it.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import gc
import json
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, NoReturn

from quinoa.launch.engines.local import node_main, warm_calls
from quinoa.launch.engines.local.warm_parent import MAIN, MAX_DESCRIPTORS, MESSAGE_BYTES, NODE_MAIN
from quinoa.launch.machine import (
    lean_imports,
    process_environment,
    process_title,
    termination,
)
from quinoa.launch.terminal.output import flush

_M_ARENA_MAX = -8  # Of glibc's malloc.h.


def main() -> None:
    """Imports, says so, and serves requests until the engine closes its end of the socket."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--room_for_titles", required=True)
    arguments = parser.parse_args()
    termination.die_with(arguments.parent)
    process_title.rewrite(f"{sys.executable} -m {MAIN} --parent={arguments.parent}")
    process_environment.quiet_loggers()
    import_all()
    with socket.socket(fileno=arguments.socket) as engine:
        engine.send(b"{}")
        while True:
            message, descriptors, flags, _ = socket.recv_fds(engine, MESSAGE_BYTES, MAX_DESCRIPTORS)
            if not message:
                return
            if flags & socket.MSG_CTRUNC:
                answer = _described(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            else:
                answer = _answer(engine, descriptors)
            engine.send(json.dumps(answer).encode())
            for descriptor in descriptors:
                os.close(descriptor)


def import_all() -> None:
    """Imports what the processes of nodes import, but nothing of the user's."""
    lean_imports.import_tensorflow()
    import courier  # noqa: F401
    import launchpad.launch.worker_manager_v2  # noqa: F401
    import reverb  # noqa: F401

    from quinoa.agents import registry
    from quinoa.launch import program  # noqa: F401
    from quinoa.launch.nodes import (  # noqa: F401
        actor,
        counter,
        demonstration_learner,
        evaluator,
        learner,
        replay,
    )

    acting = registry.acting_names()
    for name, _ in registry.names():
        (registry.load if name in acting else registry.load_demonstration_agent)(name)
    # A collection would write to each object's head, and so copy the memory that processes share.
    gc.freeze()


def _answer(engine: socket.socket, descriptors: Sequence[int]) -> dict[str, Any]:
    """Forks a process; returns its number, or an error."""
    num_threads = len(os.listdir("/proc/self/task"))
    if num_threads != 1:
        return {"refused": f"it has {num_threads} threads, and is to have one"}
    try:
        return _forked(engine, descriptors)
    except OSError as error:
        return _described(error)


def _described(error: OSError) -> dict[str, Any]:
    return {"errno": error.errno, "error": error.strerror, "file": error.filename}


def _forked(engine: socket.socket, descriptors: Sequence[int]) -> dict[str, Any]:
    size = os.fstat(descriptors[0]).st_size
    request = json.loads(os.pread(descriptors[0], size, 0))
    receiver, sender = os.pipe()
    try:
        middle = os.fork()
        if middle == 0:
            engine.close()
            os.close(receiver)
            _fork_again(request, descriptors, sender)
    finally:
        os.close(sender)
    try:
        # Until all that have the other end have ended or closed it.
        with os.fdopen(receiver, "rb") as file:
            text = file.read()
    finally:
        os.waitpid(middle, 0)
    answer: dict[str, Any] = json.loads(text)
    return answer


def _fork_again(request: dict[str, Any], descriptors: Sequence[int], sender: int) -> NoReturn:
    """In the process between: becomes the parent of the new one, says its number, and ends."""
    status = 1
    try:
        try:
            os.chdir(request["folder"])
            pid = os.fork()
        except OSError as error:
            answer = _described(error)
        else:
            if pid == 0:
                os.close(sender)
                status = _run(request, descriptors)
                flush()
                os._exit(status)
            answer = {"pid": pid}
        os.write(sender, json.dumps(answer).encode())
        status = 0
    finally:
        # Nothing of the warm parent's own is to be done at the end of a copy of it.
        os._exit(status)


def _run(request: dict[str, Any], descriptors: Sequence[int]) -> int:
    """In the new process: becomes what an executed one is, then runs what was requested."""
    about, start, output, *others = descriptors
    os.setsid()
    # The engine has taken note of this process, whose parent it is by then; or it has given it up.
    if not os.read(start, 1):
        return 1
    for stream in (1, 2):
        os.dup2(output, stream)
    for descriptor in (about, start, output):
        os.close(descriptor)
    main, texts = request["main"], request["arguments"]
    process_title.rewrite(" ".join([sys.executable, "-m", main, *texts]))
    _set_environment(request["environment"])
    sys.path[:] = request["path"]
    # Python and the libraries draw from these at random; two copies must not draw the same.
    random.seed()
    import numpy as np

    np.random.seed()
    runs = {NODE_MAIN: _run_node, warm_calls.MAIN: warm_calls.answer}
    return runs[main](texts, others)


def _run_node(texts: Sequence[str], descriptors: Sequence[int]) -> int:
    sys.argv[:] = [str(node_main.__file__), *texts]
    arguments = node_main.parse(texts)
    # They have other numbers here than in the engine.
    arguments.heartbeat, *others = descriptors
    if arguments.parameters is not None:
        arguments.parameters, *others = others
    arguments.network = others
    return node_main.run(arguments)


def _set_environment(environment: dict[str, str]) -> None:
    """Replaces all variables, also where they have been read already."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    arenas = environment.get("MALLOC_ARENA_MAX", "")
    if arenas.isdigit() and int(arenas):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(arenas))


if __name__ == "__main__":
    # Sent to a whole group or container, it is for the nodes; this process ends with the engine.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    main()
    os._exit(0)
