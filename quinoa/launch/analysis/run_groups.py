"""Groups runs by environment, agent and settings."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder, existing
from quinoa.launch.storage import saved_json
from quinoa.launch.storage.files import read_json
from quinoa.suggestions import did_you_mean

# `--by=run` puts each run in a group of its own.
_RUN = "run"
# Settings of which only whether they are set tells runs apart: each seed may have its own.
_SET_OR_NOT = {"demonstrations": "with demonstrations", "init_from": "begun from another run"}
# The experiment's settings that change what is learned, not only how the run is executed.
_LEARNING_SETTINGS = (
    *("samples_per_insert", "action_repeat", "actor_episode_steps", "env_kwargs"),
    *_SET_OR_NOT.values(),
)


@dataclasses.dataclass(frozen=True)
class ConfiguredRun:
    """A run with its settings.

    Attributes:
        folder: the run's folder.
        settings: the fields of the experiment and of the agent's config by name, as in JSON.
        agent_settings: the names of those that are the agent's.
    """

    folder: RunFolder
    settings: Mapping[str, Any]
    agent_settings: frozenset[str]

    @property
    def agent(self) -> str:
        """The agent's name."""
        return str(self.settings["agent"])

    @property
    def has_actors(self) -> bool:
        """Whether actors acted, so that it has returns of episodes."""
        return bool(self.settings["environment"])

    @property
    def has_replay(self) -> bool:
        """Whether its agent learns from a replay, as one with an `OffPolicyConfig` does."""
        return "max_replay_size" in self.agent_settings

    @property
    def environment(self) -> str:
        """The environment's name, or that of the demonstrations where there is none."""
        return str(self.settings["environment"] or self.settings["demonstrations"])

    def key(self, field: str) -> Hashable:
        """A setting's value in a form that can be compared; None if the run has no such setting."""
        if field == _RUN:
            return str(self.folder.root)
        return json.dumps(self.settings[field]) if field in self.settings else None

    def described(self, field: str) -> str | None:
        """A setting as part of a label; None if the run has no such setting."""
        if field == _RUN:
            return self.folder.root.name
        if field not in self.settings:
            return None
        value = self.settings[field]
        if field == "agent":
            return str(value)
        if field in _SET_OR_NOT.values():
            return field
        if field == "env_kwargs":
            # Each argument has a name of its own.
            return _text(value) if value else None
        return f"{field}={_text(value)}"


# Environment → label → runs.
Groups = Mapping[str, Mapping[str, Sequence[ConfiguredRun]]]


def read(folder: RunFolder) -> ConfiguredRun:
    """Reads a run's settings; the code of its agent and environment is not imported.

    Raises:
        RunError: the file is damaged.
    """
    path = folder.experiment
    with saved_json.parsing_file(path):
        fields = dict(read_json(path)["experiment"])
        config = dict(fields.pop("agent_config"))
        fields.pop("layout", None)
        # None stands for another setting's value, and old runs have no actor_episode_steps.
        for name in ("samples_per_insert", "actor_episode_steps"):
            if fields.get(name) is None:
                fields.pop(name, None)
        of_tasks = ("init_from", "demonstrations") if fields.get("environment") else ("init_from",)
        marks = {_SET_OR_NOT[name]: True for name in of_tasks if fields.get(name)}
        settings = {**config, **fields, **marks}
        if not all(isinstance(settings[name], str) for name in ("agent", "environment")):
            raise TypeError("its agent and environment are no names")
    return ConfiguredRun(folder, settings, frozenset(config))


def find(paths: Sequence[str | os.PathLike[str]]) -> list[ConfiguredRun]:
    """Finds runs.

    Args:
        paths: folders of runs, and folders that contain them, such as a sweep's.

    Raises:
        RunError: a path has no run, or a run is damaged.
    """
    runs = []
    for path in map(Path, paths):
        if path.is_dir() and not RunFolder(path).experiment.exists():
            inside = sorted(entry.parent for entry in path.glob("*/experiment.json"))
            if not inside:
                raise RunError(f"There is no run at {path}, nor in the folders that it holds.")
        else:
            inside = [path]
        runs += [read(existing(folder)) for folder in inside]
    # A run that is given twice counts once.
    return list({run.folder.root.resolve(): run for run in runs}.values())


def group(runs: Sequence[ConfiguredRun], by: Sequence[str] | None = None) -> Groups:
    """Groups runs by environment and label, sorted by names and by the settings' values.

    Args:
        runs: at least one.
        by: the settings that, with the agent's name, make a run's label; `run` gives each run a
            label of its own. By default, an agent's settings that differ between its runs on one
            environment.

    Raises:
        RunError: no run has a setting of that name.
    """
    if by is not None:
        _check_known(by, runs)
    by_agent: dict[str, list[ConfiguredRun]] = {}
    for run in runs:
        by_agent.setdefault(run.agent, []).append(run)
    groups: dict[str, dict[str, list[ConfiguredRun]]] = {}
    for agent in sorted(by_agent):
        of_agent = by_agent[agent]
        fields = differing(of_agent) if by is None else [field for field in by if field != "agent"]
        for run in sorted(of_agent, key=lambda run: [_order(run, field) for field in fields]):
            parts = [run.described(field) for field in ("agent", *fields)]
            label = ", ".join(part for part in parts if part is not None)
            groups.setdefault(run.environment, {}).setdefault(label, []).append(run)
    return {environment: groups[environment] for environment in sorted(groups)}


def differing(runs: Sequence[ConfiguredRun]) -> list[str]:
    """The settings that affect learning and differ between runs on the same environment."""
    names = {name: None for run in runs for name in run.settings}
    return [
        name
        for name in names
        if (name in _LEARNING_SETTINGS or any(name in run.agent_settings for run in runs))
        and len({(run.environment, run.key(name)) for run in runs})
        > len({run.environment for run in runs})
    ]


def _check_known(by: Sequence[str], runs: Sequence[ConfiguredRun]) -> None:
    known = {_RUN, *(name for run in runs for name in run.settings)}
    for field in by:
        if field not in known:
            raise RunError(
                f"These runs have no setting {field!r} to be told apart by."
                f"{did_you_mean(field, sorted(known))}"
            )


def _order(run: ConfiguredRun, field: str) -> tuple[float, str]:
    """A sort key: numbers by value, everything else after them by its text."""
    value = run.settings.get(field)
    number = float(value) if isinstance(value, (int, float)) else math.inf
    return number, str(run.key(field))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(each)}" for name, each in value.items())
    return str(value)
