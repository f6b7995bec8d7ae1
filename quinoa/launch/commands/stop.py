"""Stops a run that is under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from absl import flags

from quinoa.launch.commands.base import OK, Command, expect
from quinoa.launch.commands.options import cluster_flags
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import command, say


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "stop takes the folder of one run")
    start = StartFolder()
    from quinoa.launch.commands.running import running_here
    from quinoa.launch.run.run_folder import RunFolder

    folder = RunFolder(start.absolute(arguments[0]))
    process = running_here.supervisor_of(folder)
    if process is not None:
        os.kill(process.pid, signal.SIGTERM)
    else:
        from quinoa.launch.commands.running import detached_run
        from quinoa.launch.engines.ray import connection

        running_here.require_elsewhere(folder)
        with connection.connected(values.ray_address):
            detached_run.stop(folder)
    root = start.shown(folder.root)
    say(f"{root} is asked to end: it saves what was learned first. A second time ends it at once.")
    say(f"To see when it has: {command('status', str(root))}")
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "stop a run, on this machine or in a cluster",
    "RUN is the folder of a run. It ends in order, as at Ctrl-C: what was learned is saved, and\n"
    "quinoa train --resume=RUN resumes it. Asked a second time, it ends at once.\n\n"
    "  quinoa stop runs/RUN",
    cluster_flags.define,
    _run,
)
