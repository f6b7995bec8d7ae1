"""Plans the runs of a sweep from the settings that it varies."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from quinoa.config import parsing
from quinoa.config.fields import ConfigError, fields_of
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.sweep.sweep_folder import PlannedRun

_MAX_NAME = 120
# Settings that a sweep varies by flags of its own, and those flags.
_OWN = {"agent": "--agent", "env": "--env", "environment": "--env", "seed": "--seeds"}
_OF_ONE_RUN = ("folder", "resume", "attach", "change", "resume_replay", "set", "preset")
# The names that a combination may not set.
NO_SETTINGS = frozenset({*_OWN, *_OF_ONE_RUN})


def plan(
    agents: Mapping[str, str],
    tasks: Sequence[Mapping[str, str]],
    combinations: Iterable[Mapping[str, str]],
    seeds: Sequence[int],
    *,
    flags: Collection[str],
    given: Sequence[str],
) -> list[PlannedRun]:
    """Plans a run for each agent, task, combination of settings, and seed.

    Args:
        agents: the agents' names, and the number of steps, as typed, of runs of each whose
            combination does not set it.
        tasks: what is learned: the flags that say it, as `{"env": NAME}` or `{"demonstrations":
            NAME}`; one without any where a combination says it.
        combinations: settings by name; those that are not in `flags` are the agent's.
        seeds: the seeds of each combination.
        flags: the flags of `train` that a combination may set.
        given: the other flags of all runs, as typed.

    Raises:
        ExperimentError: a combination sets something that it may not, or that is also in `given`.
    """
    typed = {text.lstrip("-").partition("=")[0] for text in given}
    typed |= {text.split("=")[1] for text in given if text.startswith("--set=")}
    typed |= {name for task in tasks for name in task}
    runs: list[PlannedRun] = []
    combinations = list(combinations)
    for agent, steps in agents.items():
        for task in tasks:
            for combination in combinations:
                _check(combination, typed)
                for seed in seeds:
                    settings = {"agent": agent, **task, **combination}
                    of_combination = [
                        f"--{name}={value}" if name in flags else f"--set={name}={value}"
                        for name, value in combination.items()
                    ]
                    # The values of agent and task need no name beside them.
                    shown = [
                        *([agent] if len(agents) > 1 else []),
                        *(task.values() if len(tasks) > 1 else []),
                        *(f"{name}={value}" for name, value in combination.items()),
                    ]
                    runs.append(
                        PlannedRun(
                            name=folder_name(len(runs), shown, seed),
                            settings=settings,
                            seed=seed,
                            steps=_parse_steps(combination.get("steps", steps)),
                            arguments=(
                                f"--agent={agent}",
                                *(f"--{name}={value}" for name, value in task.items()),
                                f"--seed={seed}",
                                *given,
                                *of_combination,
                            ),
                        )
                    )
    return runs


def _parse_steps(text: str) -> int:
    """Reads a typed number of steps; raises `ExperimentError` if it is invalid."""
    try:
        steps: int = parsing.parse(fields_of(Experiment)["steps"], text)
    except ConfigError as error:
        raise ExperimentError(str(error)) from error
    return steps


def _check(combination: Mapping[str, str], typed: Collection[str]) -> None:
    for name in combination:
        if name in _OWN:
            raise ExperimentError(f"{name} is no setting for a sweep to vary: give {_OWN[name]}.")
        if name in _OF_ONE_RUN:
            raise ExperimentError(f"{name} is no setting for a sweep to vary.")
        if name in typed:
            raise ExperimentError(f"{name} is given both for all runs and to be varied.")


def folder_name(index: int, parts: Sequence[str], seed: int) -> str:
    """The name of a run's folder: what it differs by, between a unique number and its seed."""
    text = "-".join([f"{index:03d}", *parts])
    slug = re.sub(r"[^A-Za-z0-9.,=+_-]+", "_", text)
    return f"{slug[:_MAX_NAME]}-s{seed}"
