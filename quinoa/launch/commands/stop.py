"""Stops a run that is under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from absl import flags

from quinoa.launch.commands.base import OK, Command, expect
from quinoa.launch.commands.options import field_flags
from quinoa.launch.engines.settings import RaySettings
from quinoa.launch.errors import RunError
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import command, say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    field_flags.define(values, RaySettings, only=["ray_address"])
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "stop takes the folder of one run")
    start = StartFolder()
    from quinoa.launch.commands.running import running_here
    from quinoa.launch.run import process_list
    from quinoa.launch.run.run_folder import RunFolder

    folder = RunFolder(start.absolute(arguments[0]))
    process = running_here.supervisor_of(folder)
    if process is not None:
        if not process_list.read(folder.processes).takes_signals:
            raise RunError(
                f"{folder.root} is run by a thread of the program whose process is {process.pid}, "
                "which a signal would end without saving: stop it from there, by run.stop()."
            )
        try:
            os.kill(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            raise RunError(f"{folder.root} is not under way.") from None
        except PermissionError:
            raise RunError(
                f"{folder.root} is run by another user, who alone can stop it."
            ) from None
    else:
        from quinoa.launch.commands.running import detached_run

        running_here.require_elsewhere(folder)
        with detached_run.cluster_of(folder, values.ray_address):
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
    _flags,
    _run,
)
