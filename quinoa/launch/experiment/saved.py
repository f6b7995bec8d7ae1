"""Saving an experiment in its run's folder, with versions and source state, and loading it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.config import parsing
from quinoa.config.fields import ConfigError, fields_of
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run import provenance
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json, write_text
from quinoa.launch.storage.saved_json import parsing_file

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource

# The number of the file's format; the oldest files have none. Since format 2, agents have today's
# import paths.
_FORMAT = _AGENTS_MOVED = 2


def save(
    experiment: Experiment,
    folder: RunFolder,
    *,
    resumed_at: int | None = None,
    called_in: Path | None = None,
) -> None:
    """Writes the experiment to the run's folder, with the versions that run it.

    Changes of the sources since their git revision are written to a file beside it.

    Args:
        experiment: what is run.
        folder: the run's folder.
        resumed_at: the steps from which a run in this folder resumes; None for a new run.
        called_in: the folder that the program was started in; by default, the current one.
    """
    called_in = called_in or Path.cwd()
    fields = {
        field.name: getattr(experiment, field.name) for field in dataclasses.fields(experiment)
    }
    del fields["environment_maker"]
    fields["agent_config"] = parsing.to_json(experiment.agent_config)
    fields["env_kwargs"] = dict(experiment.env_kwargs)
    fields["layout"] = None if experiment.layout is None else experiment.layout.to_json()
    described = {"format": _FORMAT, "experiment": fields, **provenance.collect(called_in)}
    if resumed_at is not None:
        before = read_json(folder.experiment)
        resumed = {experiment.budget.unit: resumed_at, **provenance.collect(called_in)}
        resumes = [*before.get("resumed", []), resumed]
        described = {**before, "format": _FORMAT, "experiment": fields, "resumed": resumes}
    write_json(folder.experiment, described)
    if diff := provenance.diffs(called_in):
        write_text(folder.source_diff(resumed_at), diff)


def load(folder: RunFolder, environment: EnvironmentSource | None = None) -> Experiment:
    """Reads what `save` wrote.

    Args:
        folder: the run's folder.
        environment: the environment to use, where the run has not saved its own, or another one is
            wanted.

    Raises:
        RunError: the file is missing or damaged, or the agent cannot be found any more.
    """
    from quinoa.agents import registry
    from quinoa.environments import Layout

    path = folder.experiment
    with parsing_file(path):
        try:
            saved = read_json(path)
            fields: dict[str, Any] = dict(saved["experiment"])
            if not isinstance(fields["agent"], str) or not isinstance(fields["agent_config"], dict):
                raise TypeError("its agent is no name, or has no settings")
            if saved.get("format", 1) < _AGENTS_MOVED:
                fields["agent"] = registry.moved(fields["agent"])
            config_class = registry.load_config(fields["agent"]).config_class
            config = parsing.from_json(config_class, fields.pop("agent_config"))
            # Old runs have neither.
            env_kwargs, layout = dict(fields.pop("env_kwargs", {})), fields.pop("layout", None)
            known = fields_of(Experiment)
            loaded = Experiment(
                agent_config=config,
                env_kwargs=env_kwargs,
                layout=None if layout is None else Layout.from_json(layout),
                **{name: parsing.restore(known[name], value) for name, value in fields.items()},
            )
        except registry.UnknownAgentError as error:
            raise RunError(
                f"The agent of {folder.root} cannot be loaded: {error}{_begun_elsewhere(saved)}"
            ) from error
        except (ConfigError, ExperimentError) as error:
            raise RunError(f"{path} does not fit this version: {error}") from error
    return loaded if environment is None else loaded.given(environment)


def _begun_elsewhere(saved: Mapping[str, Any]) -> str:
    """A sentence on the folder that a run was started in, where it is not the current folder.

    The user's own modules can be found from there.
    """
    folder = saved.get("working_folder")
    path = folder.get("path") if isinstance(folder, dict) else None
    if not isinstance(path, str) or path == str(Path.cwd()):
        return ""
    return f" The run was begun in {path}."
