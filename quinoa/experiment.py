"""Experiments in Python, with the names of the flags of `quinoa train`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quinoa import paths
from quinoa.config import other_libraries
from quinoa.environments.errors import InvalidEnvironmentError
from quinoa.environments.source import EnvironmentSource, environment_source
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running import hosted_run
from quinoa.launch.engines import DEFAULT_ENGINE
from quinoa.launch.errors import ExperimentError
from quinoa.suggestions import did_you_mean

if TYPE_CHECKING:
    from quinoa.callbacks import Callback
    from quinoa.launch.experiment import Experiment as Resolved
    from quinoa.run import Run
    from quinoa.session import Session

# Flags of `quinoa train` that have another form in Python.
_ELSEWHERE = {
    "env_set": "env_kwargs",
    "set": "the settings' own names, or settings",
    "resume": "quinoa.resume",
    "change": "quinoa.resume",
    "resume_replay": "quinoa.resume",
    "engine": "engine of quinoa.train and of Experiment.train",
    "folder": "folder of quinoa.train and of Experiment.train",
    "attach": "quinoa.load, which reads a run that another program has started",
}


class Experiment:
    """An agent, an environment and settings, which can be trained once or several times.

    `quinoa.train(...)` makes one and trains it.
    """

    def __init__(
        self,
        agent: str | None = None,
        *,
        env: Any = None,
        env_kwargs: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ):
        """Describes an experiment; all names and values are checked at once.

        Args:
            agent: a name (`quinoa.list_agents()`), an import path or a file. The default is the
                preset's agent; without a preset, that of the preset which is recommended for `env`,
                with its settings; and without that, `quinoa train`'s.
            env: a name; a function or class that makes an environment, with or without a parameter
                `seed`; or an environment of dm_env or Gymnasium. The default is as for `agent`.
            env_kwargs: JSON-able keyword arguments of the environment's constructor.
            settings: settings of the agent by name, for names that are also parameters here.
            **options: flags of `quinoa train` (`steps`, `seed`, `num_actors`, `preset`, ...) and
                settings of the agent (`learning_rate`, ...), by name.

        Raises:
            ExperimentError: there is no such agent, environment or name, or a value is invalid.
        """
        self.agent = agent
        try:
            self.environment = None if env is None else environment_source(env)
        except InvalidEnvironmentError as error:
            raise ExperimentError(str(error)) from error
        self.env_kwargs = dict(env_kwargs or {})
        name = None
        if self.environment is not None and self.environment.maker is None:
            name = self.environment.name
        known = _settings_of(agent, options.get("preset"), name)
        check_options([*options, *(settings or {})], known)
        mine = train_flags.define()
        self.options = {
            name: value for name, value in options.items() if name in mine and value is not None
        }
        theirs = {name: value for name, value in options.items() if name not in mine}
        if twice := sorted(set(theirs) & set(settings or {})):
            raise ExperimentError(f"{twice[0]} is given twice: as a keyword and in settings.")
        self.settings = {**(settings or {}), **theirs}
        if self.environment is not None and self.environment.is_ready:
            self._fit_to(self.environment)
        # Raises if the experiment is invalid.
        self.resolve()

    def __repr__(self) -> str:
        """Shows everything that was given."""
        given_ = {"env": self.environment and self.environment.name, **self.options}
        given_ |= self.settings
        parts = [f"{name}={value!r}" for name, value in given_.items() if value is not None]
        return f"Experiment({', '.join([repr(self.agent), *parts])})"

    def resolve(self) -> Resolved:
        """The complete experiment, with defaults for everything that was not given.

        Raises:
            ExperimentError: the experiment is invalid.
        """
        from quinoa.launch.commands.base import UsageError
        from quinoa.launch.commands.running.new_experiment import (
            check_environment,
            make_experiment,
        )
        from quinoa.launch.machine import embedded_tensorflow

        values = hosted_run.parsed(self._texts())
        inherited = dict(os.environ)
        try:
            with embedded_tensorflow.tensorflow_may_be_imported():
                experiment = make_experiment(values, inherited, self.environment)
                check_environment(experiment)
                return experiment
        except UsageError as error:
            raise ExperimentError(str(error)) from error

    def train(
        self,
        *,
        engine: str = DEFAULT_ENGINE,
        folder: str | os.PathLike[str] | None = None,
        callbacks: Callback | Sequence[Callback] = (),
        progress: bool = True,
        wait: bool = True,
    ) -> Run:
        """Trains the agent; see `quinoa.train`."""
        session = self._session(engine, folder, callbacks, progress)
        return session.start(wait=wait)

    def _session(
        self,
        engine: str,
        folder: str | os.PathLike[str] | None,
        callbacks: Callback | Sequence[Callback],
        progress: bool,
    ) -> Session:
        from quinoa.training import make_session

        texts = [*self._texts(), f"--engine={engine}"]
        if folder is not None:
            texts.append(f"--folder={paths.absolute(folder)}")
        return make_session(texts, self.environment, engine, callbacks, progress)

    def _texts(self) -> list[str]:
        texts = [] if self.agent is None else [f"--agent={self.agent}"]
        if self.environment is not None and self.environment.maker is None:
            texts.append(f"--env={self.environment.name}")
        texts += env_texts(self.env_kwargs)
        texts += [f"--{name}={as_text(value)}" for name, value in self.options.items()]
        return [*texts, *(f"--set={name}={as_text(it)}" for name, it in self.settings.items())]

    def _fit_to(self, environment: EnvironmentSource) -> None:
        """With an environment object, the default is a single actor with a single environment."""
        import dm_env

        for name in ("num_actors", "environments_per_actor"):
            number = self.options.setdefault(name, 1)
            ready = getattr(environment.maker, "environment", None)
            if number != 1 and isinstance(ready, dm_env.Environment):
                raise ExperimentError(
                    f"{name} = {number} cannot work with an environment that is ready: its copies "
                    "would all draw the same random numbers. Give a function that makes one, "
                    "env=lambda seed: ..."
                )


def env_texts(env_kwargs: Mapping[str, Any]) -> list[str]:
    """Keyword arguments of an environment as flags; `ExperimentError` if one is not JSON-able."""
    return [f"--env_set={name}={_json(name, value)}" for name, value in env_kwargs.items()]


def as_text(value: Any) -> str:
    """A value as text for the command line."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(as_text, value))
    return str(value)


def check_options(options: Iterable[str], others: Iterable[str] = ()) -> None:
    """Checks the names of options.

    Args:
        options: the options' names.
        others: valid names besides the flags of `quinoa train`.

    Raises:
        ExperimentError: a name is unknown; the message suggests similar ones.
    """
    known = [*(name for name in train_flags.define() if name not in _ELSEWHERE), *others]
    for name in options:
        if name in _ELSEWHERE:
            raise ExperimentError(f"In Python, {name} is given by {_ELSEWHERE[name]}.")
        if name not in known:
            here = other_libraries.setting(name, known) or other_libraries.flag(name, known)
            near = other_libraries.sentence(name, here) if here else did_you_mean(name, known)
            raise ExperimentError(f"There is no {name} to be set.{near}")


def _settings_of(agent: str | None, preset: str | None, environment: str | None) -> list[str]:
    """The names of the settings of an agent, or of what is trained without one; see `train`."""
    from quinoa.agents import registry
    from quinoa.launch import presets
    from quinoa.launch.machine import embedded_tensorflow

    if agent is None:
        found = presets.without_agent(preset, environment)
        agent = registry.DEFAULT_AGENT if found is None else found.flags["agent"]
    try:
        with embedded_tensorflow.tensorflow_may_be_imported():
            config = registry.load_config(agent).config
    except registry.UnknownAgentError as error:
        raise ExperimentError(str(error)) from error
    return [field.name for field in dataclasses.fields(config)]


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ExperimentError(
            f"env_kwargs: {name} = {value!r} cannot be stored as JSON, as what a run records must "
            "be: give a function that makes the environment with it, env=lambda seed: ..."
        ) from None
