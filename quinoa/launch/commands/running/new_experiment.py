"""A new experiment, from the flags of `quinoa train`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from absl import flags

from quinoa.config import parsing
from quinoa.config.fields import ConfigError, fields_of
from quinoa.launch import presets
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.options import field_flags
from quinoa.launch.engines import ENGINES
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.stored_names import (
    agent_path,
    demonstrations_path,
    environment_path,
)
from quinoa.launch.run.run_folder import existing

if TYPE_CHECKING:
    from quinoa.agents.config import AgentConfig
    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.machine.sizing import LearnerHost


ConfigT = TypeVar("ConfigT", bound="AgentConfig")


def make_experiment(
    values: flags.FlagValues,
    inherited: Mapping[str, str],
    environment: EnvironmentSource | None = None,
    *,
    learner_host: Callable[[Experiment], LearnerHost] | None = None,
) -> Experiment:
    """Makes an experiment from flags, and chooses the sizes that are not given.

    Wrong agents and settings are found here, without TensorFlow where the agent is a built-in one.
    `validate` finds the rest.

    Args:
        values: parsed flags of `quinoa train`. Those that were not given are set to the preset's
            values, if there is a preset. Where an environment is given, and neither an agent nor a
            preset, the preset is the one that is recommended for it.
        inherited: the environment variables for the run's processes.
        environment: an object that makes the environment, instead of what `--env` names.
        learner_host: says what the learner's host has, if that is not this machine.

    Raises:
        ExperimentError: the experiment cannot be run.
        UsageError: a setting cannot be understood.
    """
    from quinoa.agents import registry
    from quinoa.agents.config import DemonstrationConfig
    from quinoa.launch.machine import sizing

    _take_recommended(values)
    try:
        preset = _taken_preset(values) if values.preset is not None else None
        settings: Mapping[str, str] = {} if preset is None else preset.settings
        name = values.agent or registry.DEFAULT_AGENT
        # First, as what is imported next may go to another folder than a file's name leads from.
        agent, environment_name = agent_path(name), environment_path(values.env)
        demonstrations = (
            None if values.demonstrations is None else demonstrations_path(values.demonstrations)
        )
        init_from = None if values.init_from is None else _checkpoint_of(values.init_from)
        config = registry.load_config(name).config
        _check_preset(values.preset, config, settings)
        assigned = assignments(values.set)
        _check_no_flags(assigned, config, values)
        config = parsing.override(config, {**settings, **assigned})
    except (registry.UnknownAgentError, ConfigError) as error:
        raise ExperimentError(str(error)) from error
    given = field_flags.given(values, Experiment, left_out=True)
    arguments = env_kwargs(values.env_set)
    is_object = environment is not None and environment.maker is not None
    if preset is not None and not is_object:
        arguments = {**preset.env_kwargs_for(values.env), **arguments}
    given.update(
        agent=agent,
        agent_config=config,
        environment=environment_name,
        env_kwargs=arguments,
        preset=values.preset,
        init_from=init_from,
        demonstrations=demonstrations,
    )
    if environment is not None and environment.maker is not None:
        given.update(
            environment=environment.name,
            environment_is_object=True,
            environment_maker=environment.maker,
        )
    if not config.has_actors and environment is None and not values["env"].present:
        given.update(environment="")
    if given["steps"] is None and isinstance(config, DemonstrationConfig):
        given.update(steps=config.default_steps)
    experiment = Experiment(**{name: it for name, it in given.items() if it is not None})
    if learner_host is None:
        host = sizing.LearnerHost(sizing.usable_cores(), sizing.has_gpu(inherited))
    else:
        host = learner_host(experiment)
    sizes = sizing.choose(experiment.config, num_actors=experiment.num_actors, host=host)
    chosen = {name: size for name, size in sizes._asdict().items() if given[name] is None}
    if ENGINES[values.engine].is_detached:
        # Its engine chooses the host when the run starts, and again if that is lost.
        chosen.pop("learner_threads", None)
    return dataclasses.replace(experiment, **chosen)


def check_environment(experiment: Experiment) -> None:
    """Checks that the environment's name is known, without importing a simulator.

    Raises:
        ExperimentError: there is no such environment; the message has the nearest names. Or one is
            given to an agent that has none.
    """
    from quinoa import environments
    from quinoa.launch.experiment.validation import check_demonstrations

    check_demonstrations(experiment)

    if experiment.environment_maker is not None or not experiment.environment:
        return
    try:
        environments.check_name(experiment.environment)
    except (
        environments.UnknownEnvironmentError,
        environments.InvalidEnvironmentError,
    ) as error:
        raise ExperimentError(str(error)) from error


def _checkpoint_of(run: str) -> str:
    """The newest whole checkpoint of a run, as a learner takes it.

    Raises:
        ExperimentError: there is none.
    """
    from quinoa.launch.checkpoints import learner_checkpoints

    try:
        folder = existing(run)
        checkpoint, _ = learner_checkpoints.chosen(folder.checkpoints, None)
    except RunError as error:
        raise ExperimentError(f"--init_from: {error}") from error
    return str(Path(checkpoint.learner_prefix).absolute())


def _take_recommended(values: flags.FlagValues) -> None:
    """Has an environment that is given alone trained by the preset recommended for it."""
    if values["env"].present and values.agent is None:
        found = presets.without_agent(values.preset, values.env)
        if found is not None:
            values["preset"].value = found.name


def _taken_preset(values: flags.FlagValues) -> presets.Preset:
    """Sets flags that were not given to the preset's values; returns the preset."""
    from quinoa.agents import registry

    preset = presets.load(values.preset)
    if values["agent"].present:
        own = registry.load_config(preset.flags["agent"])
        given = registry.load_config(values.agent)
        if own.config_class is not given.config_class:
            raise ExperimentError(
                f"The preset {preset.name} has settings of {own.name}, which {given.name} does not "
                "have: leave --agent out, or --preset."
            )
    # The run stores this: a file by its absolute path.
    values["preset"].value = preset.name
    for flag, text in preset.flags.items():
        if not values[flag].present:
            try:
                values[flag].parse(text)
            except flags.Error as error:
                raise ExperimentError(f"The preset {preset.name}: {error}") from None
    return preset


def _check_preset(name: str | None, config: AgentConfig, settings: Mapping[str, str]) -> None:
    """Raises `ExperimentError`, with the preset's name, where one of its settings cannot work."""
    try:
        parsing.override(config, settings)
    except ConfigError as error:
        raise ExperimentError(f"The preset {name}: {error}") from error


def _check_no_flags(
    assigned: Mapping[str, str], config: AgentConfig, values: flags.FlagValues
) -> None:
    for name, value in assigned.items():
        if name in values and name not in fields_of(type(config)):
            raise UsageError(
                f"{name} is a flag and no setting of the agent: --{name}={value} in place of --set "
                f"{name}={value}."
            )


def configured(config: ConfigT, texts: Sequence[str]) -> ConfigT:
    """A configuration with the assignments of `--set`.

    Raises:
        ExperimentError: a field does not exist, or cannot have the value.
        UsageError: an assignment is not `NAME=VALUE`, or a name is given twice.
    """
    try:
        return parsing.override(config, assignments(texts))
    except ConfigError as error:
        raise ExperimentError(str(error)) from error


def env_kwargs(texts: Sequence[str]) -> dict[str, Any]:
    """The environment's keyword arguments, from the assignments of `--env_set`.

    Raises:
        UsageError: an assignment is not `NAME=VALUE`, or a name is given twice.
    """
    return {name: _json_or_text(text) for name, text in assignments(texts, "--env_set").items()}


def _json_or_text(text: str) -> Any:
    try:
        # People write them as in Python, where the values go.
        return {"True": True, "False": False, "None": None}[text]
    except KeyError:
        pass
    try:
        return json.loads(text)
    except ValueError:
        return text


def assignments(texts: Sequence[str], flag: str = "--set") -> dict[str, str]:
    """The values of a flag that was given several times, `NAME=VALUE` each, by name.

    Raises:
        UsageError: an assignment is not `NAME=VALUE`, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"{flag} {text!r} cannot be understood: it must be NAME=VALUE.")
        if name in found:
            raise UsageError(f"{flag} gives {name!r} twice: {found[name]!r} and {value!r}.")
        found[name] = value
    return found
