"""Experiments in the folders of their runs, with what they were run by."""

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

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource

# Of what `save` writes; files of before it was counted say none. From the second on, agents have
# the import paths that they have now.
_FORMAT = _AGENTS_MOVED = 2


def save(
    experiment: Experiment,
    folder: RunFolder,
    *,
    resumed_at: int | None = None,
    called_in: Path | None = None,
) -> None:
    """Writes the experiment to the run's folder, with what it was run by.

    What the sources differ in from their git revision goes to a file of its own.

    Args:
        experiment: that is run.
        folder: of the run.
        resumed_at: the actor steps from which a run goes on that the folder already has.
        called_in: the folder that the program was called in; by default, that it is in now.
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
        resumed = {"actor_steps": resumed_at, **provenance.collect(called_in)}
        resumes = [*before.get("resumed", []), resumed]
        described = {**before, "format": _FORMAT, "experiment": fields, "resumed": resumes}
    write_json(folder.experiment, described)
    if diff := provenance.diffs(called_in):
        write_text(folder.source_diff(resumed_at), diff)


def load(folder: RunFolder, environment: EnvironmentSource | None = None) -> Experiment:
    """Reads what `save` wrote.

    Args:
        folder: of the run.
        environment: given anew, where the run does not keep its own, or another is to be used.

    Raises:
        RunError: the file is missing or damaged, or the agent is not to be found any more.
    """
    from quinoa.agents import registry
    from quinoa.environments import Layout

    path = folder.experiment
    try:
        saved = read_json(path)
        fields: dict[str, Any] = dict(saved["experiment"])
        if not isinstance(fields["agent"], str) or not isinstance(fields["agent_config"], dict):
            raise TypeError("its agent is no name, or has no settings")
        if saved.get("format", 1) < _AGENTS_MOVED:
            fields["agent"] = registry.moved(fields["agent"])
        config_class = registry.load_config(fields["agent"]).config_class
        config = parsing.from_json(config_class, fields.pop("agent_config"))
        # Runs of before have neither.
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} is damaged, or of another version ({type(error).__name__}: {error})."
        ) from error
    return loaded if environment is None else loaded.given(environment)


def _begun_elsewhere(saved: Mapping[str, Any]) -> str:
    """A sentence on the folder that a run was begun in, where that is not the current one.

    What is there of the user's own is found from there.
    """
    folder = saved.get("working_folder")
    path = folder.get("path") if isinstance(folder, dict) else None
    if not isinstance(path, str) or path == str(Path.cwd()):
        return ""
    return f" The run was begun in {path}."
