"""Which runs belong together: by what they learn, and by what they were told."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder, existing
from quinoa.launch.storage.files import read_json

# What `--by` may name besides settings: the run itself.
_RUN = "run"
# Settings of the experiment that change what is learned, and not only how it is run.
_TELLING = ("samples_per_insert", "action_repeat")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run and what it was told.

    Attributes:
        folder: of the run.
        settings: by name, as JSON has them: the experiment's fields and, among them, the agent's.
        of_agent: the names of those that are the agent's.
    """

    folder: RunFolder
    settings: Mapping[str, Any]
    of_agent: frozenset[str]

    @property
    def agent(self) -> str:
        """Its name."""
        return str(self.settings["agent"])

    @property
    def environment(self) -> str:
        """Its name."""
        return str(self.settings["environment"])

    def key(self, field: str) -> Hashable:
        """A setting as something that can be compared, None where the run has none of that name."""
        if field == _RUN:
            return str(self.folder.root)
        return json.dumps(self.settings[field]) if field in self.settings else None

    def described(self, field: str) -> str | None:
        """A setting as text, None where the run has none of that name."""
        if field == _RUN:
            return self.folder.root.name
        if field not in self.settings:
            return None
        value = self.settings[field]
        if field == "agent":
            return str(value)
        return f"{field}={_text(value)}"


# The runs of each label, by environment.
Groups = Mapping[str, Mapping[str, Sequence[Run]]]


def read(folder: RunFolder) -> Run:
    """Reads what a run was told, without importing what it ran.

    Raises:
        RunError: that is damaged.
    """
    path = folder.experiment
    try:
        fields = dict(read_json(path)["experiment"])
        config = dict(fields.pop("agent_config"))
        fields.pop("layout", None)
        if fields.get("samples_per_insert") is None:
            fields.pop("samples_per_insert", None)
        settings = {**config, **fields}
        if not all(isinstance(settings[name], str) for name in ("agent", "environment")):
            raise TypeError("its agent and environment are no names")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {error})."
        ) from error
    return Run(folder, settings, frozenset(config))


def find(paths: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """The runs at these paths: each that of a run, or a folder of runs, as that of a sweep.

    Raises:
        RunError: there is none at one of them, or one is damaged.
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
    # Given twice, a run would count twice.
    return list({run.folder.root.resolve(): run for run in runs}.values())


def group(runs: Sequence[Run], by: Sequence[str] | None = None) -> Groups:
    """Groups runs by environment and label, in the order of their names and values.

    Args:
        runs: at least one.
        by: settings that make another label, besides the agent, which always does; `run` makes one
            of each run. None is those settings of an agent that differ between its runs on the
            same environment.

    Raises:
        RunError: no run has a setting of that name.
    """
    if by is not None:
        _check_known(by, runs)
    of_agents: dict[str, list[Run]] = {}
    for run in runs:
        of_agents.setdefault(run.agent, []).append(run)
    groups: dict[str, dict[str, list[Run]]] = {}
    for agent in sorted(of_agents):
        same = of_agents[agent]
        fields = differing(same) if by is None else [field for field in by if field != "agent"]
        for run in sorted(same, key=lambda run: [_order(run, field) for field in fields]):
            parts = [run.described(field) for field in ("agent", *fields)]
            label = ", ".join(part for part in parts if part is not None)
            groups.setdefault(run.environment, {}).setdefault(label, []).append(run)
    return {environment: groups[environment] for environment in sorted(groups)}


def differing(runs: Sequence[Run]) -> list[str]:
    """The settings that what is learned depends on, and that differ on one environment."""
    names = {name: None for run in runs for name in run.settings}
    return [
        name
        for name in names
        if (name in _TELLING or any(name in run.of_agent for run in runs))
        and len({(run.environment, run.key(name)) for run in runs})
        > len({run.environment for run in runs})
    ]


def _check_known(by: Sequence[str], runs: Sequence[Run]) -> None:
    known = {_RUN, *(name for run in runs for name in run.settings)}
    for field in by:
        if field not in known:
            matches = difflib.get_close_matches(field, sorted(known), n=1)
            near = f" Did you mean {matches[0]}?" if matches else ""
            raise RunError(f"These runs have no setting {field!r} to be told apart by.{near}")


def _order(run: Run, field: str) -> tuple[float, str]:
    """What sorts numbers by value and all else by its text."""
    value = run.settings.get(field)
    number = float(value) if isinstance(value, (int, float)) else math.inf
    return number, str(run.key(field))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value)
