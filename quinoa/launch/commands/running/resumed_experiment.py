"""The experiment of a run that resumes, from the run's folder and the flags of `quinoa train`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from quinoa.environments.source import EnvironmentSource
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.options import field_flags
from quinoa.launch.commands.running.new_experiment import configured, env_kwargs
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.stored_names import (
    agent_path,
    demonstrations_path,
    environment_path,
)
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.launch.engines.base import Engine
    from quinoa.launch.experiment.validation import Trial
    from quinoa.launch.run.run_folder import RunFolder


def resume_experiment(
    values: flags.FlagValues,
    folder: RunFolder,
    engine: Engine,
    environment: EnvironmentSource | None = None,
    *,
    call: Trial,
) -> tuple[Experiment, int]:
    """Prepares a run's folder so that the run can resume in it.

    Args:
        values: parsed flags of `quinoa train`.
        folder: the run's folder, locked by this process.
        engine: what will run it.
        environment: an object that makes the environment, where the user has given one.
        call: see `validate`.

    Returns:
        The experiment, and the steps that it resumes from: all of them, where the run has done
        these and ended before it could say so.

    Raises:
        ExperimentError: it cannot resume, or not as the flags say.
        RunError: the folder is damaged.
        UsageError: a setting cannot be understood.
    """
    from quinoa.launch import resume
    from quinoa.launch.checkpoints import learner_checkpoints
    from quinoa.launch.experiment.saved import load
    from quinoa.launch.experiment.validation import validate
    from quinoa.launch.run import result, scale

    if values["folder"].present:
        raise UsageError("--resume continues in the run's own folder: leave --folder out.")
    # First, as what is imported next may go to another folder than a file's name leads from.
    named: dict[str, str | None] = {
        field: path(str(values[flag].value))
        for flag, field, path in (
            ("agent", "agent", agent_path),
            ("env", "environment", environment_path),
            ("demonstrations", "demonstrations", demonstrations_path),
        )
        if values[flag].present
    }
    saved = load(folder)
    if (num_actors := scale.wanted(folder)) is not None:
        saved = dataclasses.replace(saved, num_actors=num_actors)
    if named.get("agent", saved.agent) != saved.agent:
        raise ExperimentError(
            f"{folder.root} is a run of {saved.agent}: start another for another."
        )
    if values["init_from"].present:
        _check_began_with(values.init_from, saved)
        named["init_from"] = saved.init_from
    given = {**field_flags.given(values, Experiment, left_out=False), **named}
    if values["env_set"].present:
        given["env_kwargs"] = {**saved.env_kwargs, **env_kwargs(values.env_set)}
    if environment is None and "environment" in given:
        environment = EnvironmentSource(given["environment"])
    wanted = saved if environment is None else saved.given(environment)
    if saved.environment_is_object:
        # It is given again, and not changed.
        saved = wanted
    config = configured(saved.agent_config, values.set)
    experiment = dataclasses.replace(wanted, **given, agent_config=config)
    _check_changes(resume.changes(saved, experiment), values.change, experiment)
    checkpoint, damaged = learner_checkpoints.newest_whole(folder.checkpoints)
    counts = learner_checkpoints.counts_at(checkpoint)
    done = experiment.budget.done(counts)
    is_done = done >= experiment.steps
    is_finished = result.outcome_of(folder) is result.Outcome.FINISHED
    if is_done and is_finished and (result.is_complete(folder) or not saved.config.has_actors):
        raise ExperimentError(
            f"{folder.root} has done its {experiment.steps} steps: for more of them, give --steps "
            "and --change=steps."
        )
    engine.check(experiment)
    num_saved = 0
    if values.resume_replay and not is_done:
        num_saved = _saved_transitions(folder, experiment, engine)
    prefix = None if checkpoint is None else checkpoint.learner_prefix
    experiment = validate(experiment, done, num_saved, checkpoint=prefix, call=call)
    for line in resume.make_ready(
        folder, experiment.budget, counts, damaged, keep_replay=values.resume_replay
    ):
        say(f"quinoa: note: {line}", sys.stderr)
    left = ": all are done, and what is left is how the run ended." if is_done else "."
    say(f"Resuming from {done} steps{left}")
    return experiment, done


def _check_began_with(run: str, saved: Experiment) -> None:
    """Raises `ExperimentError` where a run is not the one whose networks a saved one began with."""
    if saved.init_from is None or Path(run).absolute() not in Path(saved.init_from).parents:
        began = f"those of {saved.init_from}" if saved.init_from else "its own"
        raise ExperimentError(
            f"--init_from={run}: the run to resume began with other networks, {began}. Leave it "
            "out, or start another run."
        )


def _saved_transitions(folder: RunFolder, experiment: Experiment, engine: Engine) -> int:
    """How many transitions replay resumes with; raises `ExperimentError` where it cannot."""
    from quinoa.launch.checkpoints import replay_checkpoints

    checkpoint, damaged = replay_checkpoints.newest_whole(folder)
    if checkpoint is None:
        why = f"{damaged[0].what}." if damaged else "nothing of it was saved."
        say(f"quinoa: note: replay starts empty: {why}", sys.stderr)
        return 0
    replay_checkpoints.check_fits(checkpoint, experiment, engine.replay_form)
    say(f"With up to {checkpoint.transitions} transitions in replay.")
    return checkpoint.transitions


def _check_changes(changes: Mapping[str, str], meant: Sequence[str], wanted: Experiment) -> None:
    """Raises `ExperimentError` where something would change that must not, or is not meant to.

    Args:
        changes: see `resume.changes`.
        meant: fields, by their names or their flags'.
        wanted: the experiment as it would be.
    """
    fields = {field.flag_name: name for name, field in field_flags.with_flags(Experiment)}
    meant = [fields.get(name, name) for name in meant]
    of_agent = [name for name in changes if hasattr(wanted.agent_config, name)]
    if of_agent:
        raise ExperimentError(
            f"{of_agent[0]}: {changes[of_agent[0]]} is a setting of the agent, which what it has "
            "learned depends on: start another run for another setting."
        )
    if not_meant := [name for name in changes if name not in meant]:
        lines = "".join(f"\n  {name}: {changes[name]}" for name in not_meant)
        raise ExperimentError(
            f"The run was started with other settings:{lines}\nLeave them out, or say that they "
            f"are meant: --change={','.join(not_meant)}."
        )
