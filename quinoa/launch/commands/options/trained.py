"""Flags of the commands that use a learned policy."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

from quinoa.launch.commands.base import UsageError, define_number
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment
    from quinoa.launch.run.run_folder import RunFolder


def define(values: flags.FlagValues) -> None:
    """Defines `--checkpoint`."""
    define_number(
        values,
        "checkpoint",
        None,
        "Which checkpoint of the run: its learner steps, the name of its folder. Default: the "
        "newest that is whole.",
        least=0,
    )


def define_sample(values: flags.FlagValues) -> None:
    """Defines `--sample` and `--deterministic_action`."""
    flags.DEFINE_boolean(
        "sample",
        False,
        "Sample actions rather than take the policy's deterministic ones.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "deterministic_action",
        None,
        ["mode", "mean"],
        "Without --sample, the most probable action or the expected one, of policies that have the "
        "setting of this name. Default: as the run was trained.",
        flag_values=values,
    )


def define_environment(values: flags.FlagValues) -> None:
    """Defines `--env`."""
    flags.DEFINE_string(
        "env",
        None,
        "Another environment of the same layout, or the one that the run was trained in, where "
        "Python gave that as an object: a name, such as file.py:factory. Default: the run's own.",
        flag_values=values,
    )


def load(values: flags.FlagValues, folder: RunFolder) -> Experiment:
    """Loads the experiment of a run, with what `--env` and `--deterministic_action` name.

    Raises:
        RunError: the run is damaged.
        ExperimentError: several packages declare the environment; or its agent has no policy.
        UsageError: its policy has no choice of deterministic actions.
    """
    from quinoa.environments.source import environment_source
    from quinoa.launch.experiment import saved

    loaded = saved.load(folder, None if values.env is None else environment_source(values.env))
    # Raises for one that has no policy.
    config = loaded.learner_config
    chosen = getattr(values, "deterministic_action", None)
    if chosen is None:
        return loaded
    if not hasattr(config, "deterministic_action"):
        raise UsageError(
            f"--deterministic_action={chosen} is for agents that have the setting of this name, "
            f"as quinoa list AGENT shows it; {loaded.agent} has one deterministic action only."
        )
    changed: dict[str, Any] = {"deterministic_action": chosen}
    return dataclasses.replace(loaded, agent_config=dataclasses.replace(config, **changed))


def chosen_checkpoint(values: flags.FlagValues, folder: RunFolder) -> Checkpoint:
    """Finds the checkpoint that `--checkpoint` names, and notes damaged newer ones.

    Raises:
        RunError: there is no such checkpoint, or it is damaged.
    """
    from quinoa.launch.checkpoints import learner_checkpoints

    checkpoint, damaged = learner_checkpoints.chosen(folder.checkpoints, values.checkpoint)
    for error in damaged:
        say(f"quinoa: note: {error.what}; taking {checkpoint.path}.", sys.stderr)
    return checkpoint
