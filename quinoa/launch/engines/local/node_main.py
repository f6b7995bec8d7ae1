"""The main program of a node's process, which the local engine starts (see `LocalProcess.start`).

It is executed, or called in a process that was forked from the warm parent (`warm_parent_main`).

It does what Launchpad's own entry does (loads the node's function, makes a worker manager, calls
the function), and besides: it ends when the engine ends, joins the run's network, gives signs of
life to the engine, takes SIGTERM only once the node can stop in order, writes its error where the
engine finds it, and its threads' stacks to the log when the engine asks for them.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from quinoa.launch.engines.local.processes import STACKS_SIGNAL
from quinoa.launch.errors import FatalError
from quinoa.launch.machine import lean_imports, private_network, process_environment, termination
from quinoa.launch.machine.streams import prepare
from quinoa.launch.nodes import heartbeat, host_parameters
from quinoa.launch.nodes.exit_codes import FATAL, RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.terminal.output import flush, show_library_warnings


def parse(texts: Sequence[str]) -> argparse.Namespace:
    """Parses the command line of `LocalProcess.start`, without the name of the program."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--data_file", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--error_file", type=Path, required=True)
    parser.add_argument("--heartbeat", type=int)
    parser.add_argument("--parameters", type=int)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--network", type=_descriptors, default=[])
    parser.add_argument("--tensorflow", action="store_true")
    return parser.parse_args(texts)


def _descriptors(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def run(arguments: argparse.Namespace) -> int:
    """Runs the node of a command line that `parse` has read; returns the exit status."""
    # What an environment prints is to go to the log, whatever that can hold.
    prepare()
    termination.die_with(arguments.parent)
    faulthandler.enable()
    faulthandler.register(STACKS_SIGNAL)
    if arguments.heartbeat is not None:
        heartbeat.attach(arguments.heartbeat)
    if arguments.parameters is not None:
        host_parameters.attach(arguments.parameters)
    if arguments.nice:
        os.nice(arguments.nice)
    try:
        private_network.join(arguments.network)
        process_environment.quiet_loggers()
        show_library_warnings()
        # Whatever imports TensorFlow first, here or later, is not to import it whole.
        lean_imports.install()
        if arguments.tensorflow:
            lean_imports.import_tensorflow()
        _run(arguments.data_file)
    except BaseException as error:
        # By these statuses an actor says why it ends. Code of an agent may exit with any other.
        if isinstance(error, SystemExit) and error.code in (RUN_IS_OVER, TOLD_TO_STOP):
            return int(error.code)
        text = "".join(traceback.format_exception(error.with_traceback(_own(error.__traceback__))))
        # The disk may be full: that it ended for an error is to be seen even so.
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        with contextlib.suppress(OSError):
            arguments.error_file.write_text(text, encoding="utf-8")
        return FATAL if isinstance(error, FatalError) else 1
    return 0


def _run(data_file: str) -> None:
    import cloudpickle
    from absl import flags
    from launchpad.launch import worker_manager_v2

    flags.FLAGS(["node", "--lp_worker_manager_v2"])
    worker_manager_v2.WorkerManager(handle_sigterm=True, register_in_thread=True)
    # The engine has started this process with SIGTERM blocked: importing what a node needs takes
    # seconds, and a node that is stopped in that time must still stop in order.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    # Written by the engine for this process, in a folder that only this user can read.
    with open(data_file, "rb") as file:
        (function,) = cloudpickle.load(file)
    function()


def _own(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins with the node's own code."""
    start = trace
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if trace.tb_next is not None and (f"{os.sep}launchpad{os.sep}" in name or name == __file__):
            start = trace.tb_next
        trace = trace.tb_next
    return start


if __name__ == "__main__":
    # Not `sys.exit`: threads of TensorFlow, Reverb and gRPC that are still waiting for something
    # can hang or crash an interpreter that winds down.
    status = run(parse(sys.argv[1:]))
    flush()
    os._exit(status)
