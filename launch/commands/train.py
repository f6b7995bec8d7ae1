"""Trains an agent."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from launch import lean_imports, presets, process_environment
from launch.commands.base import FAILED, OK, Command, UsageError, complain, define_number, expect
from launch.counter import ACTOR_STEPS
from launch.engines import ENGINES
from launch.engines.base import Outcome, Settings
from launch.errors import ExperimentError
from launch.terminal import say

if TYPE_CHECKING:
    from launch.engines.base import Engine, RunResult
    from launch.experiment import Experiment
    from launch.run_folder import RunFolder

DEFAULT_ENVIRONMENT = "control:cartpole:swingup"


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()

    number = functools.partial(define_number, values)
    flags.DEFINE_string(
        "preset",
        None,
        "An agent with its settings and a task, which other flags and --set change: "
        f"{', '.join(preset.name for preset in presets.every())}. quinoa list says what each is.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "agent",
        None,
        "What learns: a name (see quinoa list), or the import path of an agent of your own, "
        "my_package.my_agent. "
        "Default: the first that quinoa list shows.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "env",
        DEFAULT_ENVIRONMENT,
        "What it learns: a name (see quinoa list), or package.module:factory for one of your own.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "set",
        [],
        "A setting of the agent, NAME=VALUE; may be given several times.",
        flag_values=values,
    )
    number(
        "steps",
        220_000,
        "Actor steps after which the run ends: actions over all environments of all actors, each "
        "of which lasts --action_repeat environment steps.",
    )
    number("num_actors", 2, "Actor processes.")
    number(
        "environments_per_actor",
        None,
        "Environments that each actor steps together. Default: as many as let the actors keep up "
        "with the learner.",
    )
    number("action_repeat", 1, "Environment steps that each action lasts.")
    flags.DEFINE_float(
        "samples_per_insert",
        None,
        "How often each step is learned from, on average, in place of the agent's own setting; 0 "
        "holds no ratio, and lets actors and learner go as fast as they can.",
        lower_bound=0.0,
        flag_values=values,
    )
    number(
        "steps_per_call",
        None,
        "Gradient steps that the learner does in one go. Default: 50, or 200 on a GPU.",
    )
    number(
        "evaluation_period",
        None,
        "Actor steps from one evaluation to the next. Default: steps / 20.",
    )
    number("evaluation_episodes", 10, "Episodes in each evaluation.")
    flags.DEFINE_boolean(
        "evaluation_sample",
        False,
        "Evaluate with sampled actions rather than the policy's mode.",
        flag_values=values,
    )
    number(
        "max_episode_steps",
        100_000,
        "Actions after which an episode that has not ended is cut off (as a time limit would).",
    )
    number(
        "max_parameter_age",
        20_000,
        "Gradient steps that the parameters of an actor may be behind; it warns when they are more "
        "than that, and goes on.",
    )
    number("seed", 0, "Seed of everything random.", least=0)
    flags.DEFINE_string(
        "folder", None, "Where the run goes. Default: a new folder in runs/.", flag_values=values
    )
    flags.DEFINE_string(
        "resume",
        None,
        "The folder of a run to go on with, from its newest checkpoint, however it ended. What it "
        "was started with holds; where other flags say otherwise, --change must name them.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "change",
        [],
        "With --resume: what is meant to change, such as steps or num_actors.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "resume_replay",
        False,
        "With --resume: go on with what replay held when it was last saved, rather than empty.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "engine",
        "local",
        list(ENGINES),
        "; ".join(f"{name}: {entry.about}" for name, entry in ENGINES.items()) + ".",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "private_network",
        True,
        "Give the run's processes a network of their own, so that nobody else reaches their ports. "
        "Turn it off for environments that need the network.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "require_private",
        False,
        "Run nothing where no such network can be made, rather than say so and go on.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "hang_timeout",
        Settings.hang_timeout_s,
        "Seconds without progress after which a process is killed and started again: more than "
        "one step of the environments, or one call of the learner, may ever take.",
        lower_bound=1.0,
        flag_values=values,
    )
    number("learner_threads", None, "Threads of the learner. Default: one for each core.")
    flags.DEFINE_float(
        "checkpoint_period",
        60.0,
        "Seconds from one checkpoint to the next.",
        lower_bound=0.1,
        flag_values=values,
    )
    flags.DEFINE_float(
        "replay_checkpoint_period",
        300.0,
        "Seconds from one saving of what replay holds to the next, for when its server dies, and "
        "for --resume_replay; 0 saves nothing.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "wandb",
        None,
        "A project at Weights & Biases to send the metrics to as well, by its own library, which "
        "is not installed with the others.",
        flag_values=values,
    )
    return values


def _run(values: flags.FlagValues, arguments: Sequence[str]) -> int:
    expect(arguments, 0, "train takes flags only")
    inherited = process_environment.set_for_this_process()
    # First, or what is imported next would import it whole.
    lean_imports.import_tensorflow()
    from launch import engines, resume, run_folder, wandb_mirror
    from launch.train import describe, train

    if values.require_private and not values.private_network:
        raise UsageError("--require_private and --noprivate_network contradict each other.")
    engine = engines.make(
        values.engine,
        Settings(
            inherited,
            private_network=values.private_network,
            require_private=values.require_private,
            hang_timeout_s=values.hang_timeout,
        ),
    )
    if values.preset is not None and values.resume is not None:
        raise UsageError("--preset is for a new run: the one that --resume names has its settings.")
    if values.change and values.resume is None:
        raise UsageError("--change says what may change of a run that goes on: give --resume too.")
    if values.resume_replay and values.resume is None:
        raise UsageError("--resume_replay is for a run that goes on: give --resume too.")
    if values.wandb is not None:
        wandb_mirror.check()
    resumed_at = None
    with contextlib.ExitStack() as holding:
        if values.resume is not None:
            folder = run_folder.existing(values.resume)
            holding.enter_context(resume.held(folder))
            experiment, resumed_at = _resumed(values, folder, engine)
        else:
            experiment = make_experiment(values, inherited)
            engine.check(experiment)
            experiment.validate()
            folder = (
                run_folder.RunFolder(Path(values.folder))
                if values.folder
                else run_folder.fresh(experiment.environment, experiment.agent, experiment.seed)
            )
            folder.create()
            holding.enter_context(resume.held(folder))
        by = f" by the preset {experiment.preset}" if experiment.preset else ""
        say(f"Training {experiment.agent} on {experiment.environment}{by} in {folder.root}")
        say(f"With {_described_sizes(experiment)}.")
        say(f"To watch it from another terminal: quinoa status {folder.root}")
        with wandb_mirror.mirrored(folder, values.wandb):
            summary = train(experiment, folder, engine, resumed_at=resumed_at)
    result = summary.result
    if result.restarts:
        say(f"{_described_restarts(result)}; see {folder.events}.")
    if result.outcome is Outcome.FAILED:
        say(f"Run: {folder.root}")
        complain(f"{result.failed_node} failed; see {folder.logs}.", FAILED)
        say(str(result.error), sys.stderr)
        return FAILED
    if summary.final is not None:
        returns = summary.final.returns
        say(f"Return of the final policy: {describe(returns)} ({len(returns)} episodes)")
    elif result.outcome is Outcome.KILLED:
        complain("ended before the last checkpoint was written.", FAILED)
    elif summary.evaluation_error is None:
        how = (
            "Finished; the final evaluation was interrupted"
            if result.outcome is Outcome.FINISHED
            else "Stopped early"
        )
        say(f"{how}. To evaluate what it has learned: quinoa evaluate {folder.root}")
    if summary.learning_curve is not None:
        say(f"Learning curve: {summary.learning_curve}")
    say(f"Run: {folder.root}")
    if summary.evaluation_error is not None:
        return complain(f"the final evaluation failed: {summary.evaluation_error}", FAILED)
    return FAILED if result.outcome is Outcome.KILLED else OK


def make_experiment(values: flags.FlagValues, inherited: Mapping[str, str]) -> Experiment:
    """What flags say, with sizes chosen; it has yet to be validated.

    Args:
        values: parsed flags of this command.
        inherited: the environment variables that the run's processes are to have.

    Raises:
        ExperimentError: it cannot be run.
        UsageError: a setting cannot be understood.
    """
    from agents import protocol, registry
    from launch import sizing
    from launch.experiment import Experiment, agent_path, environment_path

    try:
        settings = _taken_from_preset(values) if values.preset is not None else {}
        name, ratio = values.agent or registry.DEFAULT_AGENT, values.samples_per_insert
        settings = {**settings, **assignments(values.set)}
        config = registry.override(registry.load(name).config, settings)
        effective = (
            config if ratio is None else dataclasses.replace(config, samples_per_insert=ratio)
        )
    except (registry.UnknownAgentError, protocol.ConfigError) as error:
        raise ExperimentError(str(error)) from error
    sizes = sizing.choose(
        effective,
        num_actors=values.num_actors,
        cores=sizing.usable_cores(),
        gpu=sizing.has_gpu(inherited),
        environments_per_actor=values.environments_per_actor,
        steps_per_call=values.steps_per_call,
        learner_threads=values.learner_threads,
    )
    return Experiment(
        agent=agent_path(name),
        agent_config=config,
        environment=environment_path(values.env),
        action_repeat=values.action_repeat,
        num_actors=values.num_actors,
        environments_per_actor=sizes.environments_per_actor,
        samples_per_insert=values.samples_per_insert,
        steps=values.steps,
        steps_per_call=sizes.steps_per_call,
        evaluation_period=values.evaluation_period,
        evaluation_episodes=values.evaluation_episodes,
        evaluation_sample=values.evaluation_sample,
        seed=values.seed,
        checkpoint_period_s=values.checkpoint_period,
        replay_checkpoint_period_s=values.replay_checkpoint_period,
        learner_threads=sizes.learner_threads,
        max_episode_steps=values.max_episode_steps,
        max_parameter_age=values.max_parameter_age,
        preset=values.preset,
    )


def _taken_from_preset(values: flags.FlagValues) -> Mapping[str, str]:
    """Sets the flags that are not given as the preset has them; returns its agent's settings."""
    from agents import registry

    preset = presets.load(values.preset)
    if values["agent"].present:
        own, given = registry.load(preset.flags["agent"]), registry.load(values.agent)
        if own.config_class is not given.config_class:
            raise ExperimentError(
                f"The preset {preset.name} has settings of {own.name}, which {given.name} does not "
                "have: leave --agent out, or --preset."
            )
    for flag, text in preset.flags.items():
        if not values[flag].present:
            values[flag].parse(text)
    return preset.settings


# The flags that are fields of an experiment, where the names differ.
_FIELDS = {
    "env": "environment",
    "checkpoint_period": "checkpoint_period_s",
    "replay_checkpoint_period": "replay_checkpoint_period_s",
}


def _resumed(values: flags.FlagValues, folder: RunFolder, engine: Engine) -> tuple[Experiment, int]:
    """The experiment of a run that is to go on, the folder made ready for it, and from where."""
    from agents import protocol, registry
    from launch import checkpoints, resume
    from launch.experiment import Experiment, agent_path, environment_path, load

    if values["folder"].present:
        raise UsageError("--resume goes on in the run's own folder: leave --folder out.")
    saved = load(folder)
    if values["agent"].present and agent_path(values.agent) != saved.agent:
        raise ExperimentError(
            f"{folder.root} is a run of {saved.agent}: start another for another."
        )
    names = {field.name for field in dataclasses.fields(Experiment)}
    given: dict[str, Any] = {
        _FIELDS.get(flag, flag): values[flag].value
        for flag in values
        if values[flag].present and _FIELDS.get(flag, flag) in names
    }
    for field, path in (("agent", agent_path), ("environment", environment_path)):
        if field in given:
            given[field] = path(given[field])
    try:
        config = registry.override(saved.agent_config, assignments(values.set))
    except protocol.ConfigError as error:
        raise ExperimentError(str(error)) from error
    experiment = dataclasses.replace(saved, **given, agent_config=config)
    _check_changes(resume.changes(saved, experiment), values.change, experiment)
    checkpoint, damaged = checkpoints.newest_whole(folder.checkpoints)
    counts = checkpoints.counts_at(checkpoint)
    done = counts[ACTOR_STEPS]
    if done >= experiment.steps:
        raise ExperimentError(
            f"{folder.root} has done its {experiment.steps} steps: for more of them, give --steps "
            "and --change=steps."
        )
    engine.check(experiment)
    held = _held_by_replay(folder, experiment, engine) if values.resume_replay else 0
    experiment.validate(done, held)
    for line in resume.make_ready(folder, counts, damaged, keep_replay=values.resume_replay):
        say(f"quinoa: note: {line}", sys.stderr)
    say(f"Going on from {done} steps.")
    return experiment, done


def _held_by_replay(folder: RunFolder, experiment: Experiment, engine: Engine) -> int:
    """The transitions that replay is to go on with; raises `ExperimentError` where it cannot."""
    from launch import replay_checkpoints

    checkpoint, damaged = replay_checkpoints.newest_whole(folder)
    if checkpoint is None:
        why = f"{damaged[0].what}." if damaged else "nothing of it was saved."
        say(f"quinoa: note: replay starts empty: {why}", sys.stderr)
        return 0
    replay_checkpoints.check_fits(checkpoint, experiment, engine.replay_form)
    say(f"With up to {checkpoint.transitions} transitions in replay.")
    return checkpoint.transitions


def _check_changes(changes: Mapping[str, str], meant: Sequence[str], wanted: Experiment) -> None:
    """Raises `ExperimentError` where something would change that must not, or is not meant to."""
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


def _described_restarts(result: RunResult) -> str:
    roles = ", ".join(f"{role} {number}" for role, number in result.restarts.items())
    return (
        f"Processes started again: {sum(result.restarts.values())} ({roles}), with "
        f"{result.seconds_lost:.1f} s lost"
    )


def _described_sizes(experiment: Experiment) -> str:
    from launch import sizing
    from launch.words import count

    threads = experiment.learner_threads or sizing.usable_cores()
    return (
        f"{count(experiment.num_actors, 'actor')} of "
        f"{count(experiment.environments_per_actor, 'environment')}, "
        f"{count(experiment.steps_per_call, 'gradient step')} a call, "
        f"{count(threads, 'thread')} for the learner"
    )


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """Settings of an agent by name, from what --set was given, `NAME=VALUE` each.

    Raises:
        UsageError: one is something else, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--set {text!r} cannot be understood: it must be NAME=VALUE.")
        if name in found:
            raise UsageError(f"--set gives {name!r} twice: {found[name]!r} and {value!r}.")
        found[name] = value
    return found


COMMAND = Command(
    "[FLAGS]",
    "train an agent",
    "Ends at the last step, at Ctrl-C or SIGTERM, and keeps everything in the run's folder.\n"
    "With no flags, trains the default agent on a small task, in a few minutes.\n\n"
    "  quinoa train --env=control:walker:walk --steps=1000000 --num_actors=4\n"
    "  quinoa train --set learning_rate=3e-4 --set batch_size=128 --seed=1\n"
    "  quinoa train --resume=runs/RUN",
    _flags,
    _run,
)
