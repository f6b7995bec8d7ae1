"""Changes how many actors a run under way has."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from quinoa.launch.commands.base import OK, Command, UsageError, define_number, expect
from quinoa.launch.commands.options import field_flags
from quinoa.launch.engines.settings import RaySettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import command, say


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    field_flags.define(values, RaySettings, only=["ray_address"])
    define_number(values, "num_actors", None, "How many actors the run is to have.", least=1)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 1, "scale takes the folder of one run")
    if values.num_actors is None:
        raise UsageError("scale takes --num_actors: how many there are to be.")
    start = StartFolder()
    from quinoa.launch.analysis import run_groups
    from quinoa.launch.commands.running import running_here
    from quinoa.launch.run import scale
    from quinoa.launch.run.run_folder import RunFolder

    folder = RunFolder(start.absolute(arguments[0]))
    if folder.experiment.is_file() and not run_groups.read(folder).has_replay:
        raise ExperimentError(
            f"{start.shown(folder.root)} learns on-policy, from batches with a share of each "
            "of its environments, whose number stays: start another run with "
            f"--num_actors={values.num_actors}."
        )
    if running_here.supervisor_of(folder) is not None:
        running_here.require_processes(folder)
        scale.ask(folder, values.num_actors)
    else:
        from quinoa.launch.commands.running import detached_run

        running_here.require_elsewhere(folder)
        with detached_run.cluster_of(folder, values.ray_address):
            detached_run.scale(folder, values.num_actors)
    root = start.shown(folder.root)
    say(f"{root} is asked to have {count(values.num_actors, 'actor')}.")
    say(f"To see when it has: {command('status', str(root))}")
    return OK


COMMAND = Command(
    "RUN [FLAGS]",
    "change how many actors a run has, while it runs",
    "RUN is the folder of a run under way, on this machine or in a cluster. Actors that are taken\n"
    "away stop in order: what they have seen is in replay.\n\n"
    "  quinoa scale runs/RUN --num_actors=8",
    _flags,
    _run,
)
