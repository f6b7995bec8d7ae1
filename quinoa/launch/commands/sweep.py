"""`quinoa sweep`: trains many times, with different settings and seeds."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa import paths
from quinoa.config.fields import fields_of
from quinoa.launch import presets
from quinoa.launch.commands.base import Command, UsageError, define_number
from quinoa.launch.commands.options import seeds, train_flags, unknown_flags
from quinoa.launch.commands.running import planned_runs
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import DEFAULT_ENVIRONMENT, Experiment
from quinoa.launch.machine import lean_imports, process_environment
from quinoa.launch.machine.start_folder import StartFolder
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder

# Flags of train that a sweep defines itself, or that make no sense for several runs.
_NOT_OF_TRAIN = (
    "agent",
    "env",
    "seed",
    "folder",
    "resume",
    "attach",
    "change",
    "resume_replay",
)
# The flags that may be given with --resume.
_WITH_RESUME = {"resume", "at_once", "retry_failed"}


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_list(
        "agent",
        None,
        "What learns, one or several: names (see quinoa list) or import paths. Default: the "
        "preset's; with --env alone, that of the preset that quinoa list recommends for it; "
        "otherwise the first that quinoa list shows.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "env",
        None,
        f"What is learned, one or several. Default: the preset's, or else {DEFAULT_ENVIRONMENT}.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "grid",
        [],
        "A setting to vary, NAME=VALUE,VALUE: a field of the agent's config or a flag of "
        "quinoa train. May be given several times, and without --grid too.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "seeds", "0", "Seeds of each combination: 0,1,2, or 0:3 for the same.", flag_values=values
    )
    define_number(
        values,
        "random",
        None,
        "Draw so many combinations, rather than run all: of lists, and of NAME=log:1e-4:1e-2, "
        "uniform:0:1, int:1:4 or logint:32:512.",
    )
    define_number(values, "random_seed", 0, "Seed of what --random draws.", least=0)
    define_number(
        values,
        "at_once",
        None,
        "Runs at the same time. Default: as many as there are cores and memory for.",
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Where the sweep goes. Default: a new folder runs/sweep-....",
        flag_values=values,
    )
    flags.DEFINE_string(
        "resume",
        None,
        "The folder of a sweep to resume: finished runs are left, others are resumed or started.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "retry_failed",
        False,
        "With --resume: try runs that failed again.",
        flag_values=values,
    )
    of_train = train_flags.define()
    for name in _NOT_OF_TRAIN:
        delattr(of_train, name)
    of_train["copy_to"].help = (
        "A folder, or a URL that fsspec knows, to copy the runs to while they last, each into a "
        "folder there that has its name."
    )
    values.append_flag_values(of_train)
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    start = StartFolder()
    settings = _take_flags(values, arguments)
    inherited = process_environment.set_for_this_process()
    if values.resume is None:
        if values.retry_failed:
            raise UsageError("--retry_failed is for a sweep that is resumed: give --resume too.")
        return _begin(values, [*values.grid, *settings], inherited, start)
    given = [f"--{name}" for name in values if values[name].present and name not in _WITH_RESUME]
    if other := [*given, *settings]:
        raise UsageError(
            f"A sweep is resumed as it was planned: leave {other[0]} out, or start another."
        )
    from quinoa.launch.sweep.sweep_folder import SweepFolder

    sweep = SweepFolder(start.absolute(values.resume))
    planned = sweep.load()
    # Where its relative paths start.
    folder = sweep.called_in()
    with planned_runs.locked(sweep):
        return _run_planned(
            sweep,
            planned,
            values.at_once or sweep.at_once(),
            inherited,
            start,
            folder=folder,
            retry_failed=values.retry_failed,
        )


def _take_flags(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """Parses the flags after `--`, which are flags of train; returns the other arguments."""
    first = next((i for i, text in enumerate(arguments) if text.startswith("-")), len(arguments))
    try:
        left = values(["quinoa sweep", *paths.with_home(arguments[first:])])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(unknown_flags.message("sweep", values, error)) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None
    return [*arguments[:first], *left]


def _begin(
    values: flags.FlagValues,
    settings: Sequence[str],
    inherited: Mapping[str, str],
    start: StartFolder,
) -> int:
    lean_imports.install()
    from quinoa.launch.run import run_folder
    from quinoa.launch.sweep import arguments as run_arguments
    from quinoa.launch.sweep.sweep_folder import SweepFolder

    preset = _preset(values)
    planned = _planned(values, settings, preset)
    say(f"Checking {count(len(planned), 'run')}.")
    needs = planned_runs.check(planned, inherited)
    # The others' places are beside it.
    for run in planned[:1]:
        run_arguments.check_copy(run)
    at_once, planned = planned_runs.sized(planned, values.at_once, needs)
    sweep = SweepFolder(
        start.absolute(values.folder)
        if values.folder
        else run_folder.unused(start.absolute("runs") / time.strftime("sweep-%Y%m%d-%H%M%S"))
    )
    sweep.create()
    with planned_runs.locked(sweep):
        if preset is not None:
            sweep.keep_preset(preset)
        sweep.save(planned, at_once, settings, start.path)
        return _run_planned(sweep, planned, at_once, inherited, start)


def _preset(values: flags.FlagValues) -> presets.Preset | None:
    """The preset of all runs: what is named or, as with train, what is recommended for the tasks.

    Raises:
        UsageError: nothing says what learns, and the tasks' recommended presets differ.
    """
    if values.preset is not None or values.agent:
        return None if values.preset is None else presets.load(values.preset)
    found = {name: presets.without_agent(None, name) for name in values.env or ()}
    names = {task: "none" if each is None else each.name for task, each in found.items()}
    if len(set(names.values())) > 1:
        listed = ", ".join(f"{task}: {name}" for task, name in names.items())
        raise UsageError(
            f"These environments have different recommended presets ({listed}): say what is to "
            "learn, with --agent or --preset."
        )
    preset = next(iter(found.values()), None)
    if preset is not None:
        say(f"Each run has the preset {preset.name}, which is recommended here.")
    return preset


def _planned(
    values: flags.FlagValues, settings: Sequence[str], preset: presets.Preset | None
) -> list[PlannedRun]:
    """Plans the runs, without checking them."""
    from quinoa.agents import registry
    from quinoa.launch.sweep import arguments as run_arguments
    from quinoa.launch.sweep import plan, space

    # Each run gets its agent and environment as flags, which would override a preset's.
    preset_flags: Mapping[str, str] = {}
    if preset is not None:
        # The name has a file's absolute path, as the sweep may be resumed from another folder.
        # Parsed, it counts as given, also where it is the recommended one.
        values["preset"].parse(preset.name)
        preset_flags = preset.flags
    agents = values.agent or [preset_flags.get("agent", registry.DEFAULT_AGENT)]
    default_steps, have_actors = _default_steps(agents)
    steps = values.steps if values["steps"].present else preset_flags.get("steps")
    axes = space.parse_axes(settings)
    of_train = [name for name in train_flags.define() if name not in _NOT_OF_TRAIN]
    tasks = [{"env": name} for name in values.env or [preset_flags.get("env", DEFAULT_ENVIRONMENT)]]
    of_task: set[str] = set()
    if not (have_actors or values.env):
        name = values.demonstrations or preset_flags.get("demonstrations")
        tasks = [{} if name is None else {"demonstrations": name}]
        of_task.add("demonstrations")
    given = [
        text
        for name in of_train
        if values[name].present and name not in of_task
        for text in values[name].serialize().split("\n")
    ]
    planned = plan.plan(
        {name: str(steps or default) for name, default in default_steps.items()},
        tasks,
        space.grid(axes)
        if values.random is None
        else space.sample(axes, values.random, values.random_seed),
        seeds.parse(values.seeds),
        flags=of_train,
        given=given,
    )
    return list(map(run_arguments.completed, planned))


def _default_steps(agents: Sequence[str]) -> tuple[dict[str, int], bool]:
    """The default length of each agent's runs, and whether actors act for these agents.

    Raises:
        ExperimentError: they do for some only, so that nothing could be compared.
    """
    from quinoa.agents import registry
    from quinoa.agents.config import DemonstrationConfig

    steps = dict.fromkeys(agents, int(fields_of(Experiment)["steps"].default))
    acting, without = [], []
    for name in agents:
        try:
            config = registry.load_config(name).config
        except registry.UnknownAgentError:
            # Said with all else that is wrong, when the runs are checked.
            continue
        if isinstance(config, DemonstrationConfig):
            without.append(name)
            steps[name] = config.default_steps
        else:
            acting.append(name)
    if acting and without:
        raise ExperimentError(
            f"The agent {without[0]} learns from demonstrations alone, and is compared by their "
            "log-likelihood, not by returns: give it a sweep without agents of other kinds."
        )
    return steps, not without


def _run_planned(
    sweep: SweepFolder,
    planned: Sequence[PlannedRun],
    at_once: int,
    inherited: Mapping[str, str],
    start: StartFolder,
    *,
    folder: Path | None = None,
    retry_failed: bool = False,
) -> int:
    """Runs what is left to run and prints the results; returns the exit status."""
    from quinoa.launch.analysis import tables
    from quinoa.launch.sweep import summary

    planned_runs.run(
        sweep, planned, at_once, inherited, start, folder=folder, retry_failed=retry_failed
    )
    results = summary.write(sweep, planned)
    say("")
    tables.say_table(results.table, sys.stdout, results.measure)
    say("")
    for path in results.paths:
        say(str(start.shown(path)))
    resume = ("sweep", f"--resume={start.shown(sweep.root)}")
    return planned_runs.say_ends(sweep, planned, start, resume)


COMMAND = Command(
    "[NAME=VALUES...] [FLAGS] [-- FLAGS OF TRAIN]",
    "train many times, with settings and seeds that differ",
    "Every agent, on every environment, with every combination of settings, with every seed, each\n"
    "as quinoa train would; the flags of train hold for all. Everything is checked first. Ends\n"
    "with a table, the best settings first, and learning curves.\n\n"
    "  quinoa sweep --agent=A,B --grid tau=0.01,0.03 --seeds=0:5 --steps=50000 --engine=serial\n"
    "  quinoa sweep --random=20 learning_rate=log:1e-4:1e-2 hidden_sizes='64,64;256,256'\n"
    "  quinoa sweep --resume=runs/sweep-NAME",
    _flags,
    _run,
)
