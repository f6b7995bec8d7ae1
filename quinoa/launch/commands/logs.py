"""Shows what the processes of a run have printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from absl import flags

from quinoa.launch.commands.base import OK, Command, define_number, expect
from quinoa.launch.commands.options import field_flags
from quinoa.launch.engines.settings import RaySettings
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.output import say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    field_flags.define(values, RaySettings, only=["ray_address"])
    flags.DEFINE_list(
        "node", [], "Only of these processes, such as actor-0,learner-0.", flag_values=values
    )
    define_number(values, "lines", 20, "How many lines to show of each, from the end.", least=1)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "logs takes the folder of one run")
    start = StartFolder()
    from quinoa.launch.commands.running import running_here
    from quinoa.launch.run import logs
    from quinoa.launch.run.run_folder import RunFolder

    folder = RunFolder(start.absolute(arguments[0]))
    found = logs.tails(folder, values.lines)
    shown = found
    if running_here.are_logs_elsewhere(folder, found, values.node):
        from quinoa.launch.commands.running import detached_run

        try:
            with detached_run.cluster_of(folder, values.ray_address):
                shown = {**found, **detached_run.logs(folder, values.lines)}
        except (ExperimentError, RunError) as error:
            # The cluster may be gone, and the logs that are here are all that is left.
            if not found:
                raise
            say(f"quinoa: note: logs on other hosts cannot be read: {error}", sys.stderr)
    wanted = logs.chosen(shown, values.node)
    for name, text in wanted.items():
        say(f"--- {name}")
        say(text)
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "show what the processes of a run have printed",
    "RUN is the folder of a run, under way or over, on this machine or in a cluster.\n\n"
    "  quinoa logs runs/RUN\n"
    "  quinoa logs runs/RUN --node=actor-0 --lines=200",
    _flags,
    _run,
)
