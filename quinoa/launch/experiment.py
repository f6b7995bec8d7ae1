"""What is to be run, whole: an experiment is a value that can be saved, loaded and run again."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quinoa.config import parsing
from quinoa.config.fields import ConfigError
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run import provenance
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json, write_text

if TYPE_CHECKING:
    from acme import specs

    from quinoa.agents.config import AgentConfig
    from quinoa.environments import CanonicalEnvironment, EnvironmentBatch, Layout
    from quinoa.environments.given import Given

# Of what `Experiment.save` writes; files of before it was counted say none. From the second on,
# agents have the import paths that they have now.
_FORMAT = _AGENTS_MOVED = 2
# Environments that one evaluation steps together, at most.
MAX_EVALUATION_ENVIRONMENTS = 10


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An agent, an environment, how they are run, and for how long.

    Attributes:
        agent: a name that `quinoa.agents.registry.load` knows, or an import path.
        agent_config: the agent's settings.
        environment: a name that `quinoa.environments.make` knows; what to call the environment,
            where it was given as an object.
        env_kwargs: keyword arguments for what makes the environment; values that JSON holds.
        action_repeat: environment steps that one action lasts.
        num_actors: actors, each a process of its own where the engine has processes.
        environments_per_actor: environments that an actor steps together.
        samples_per_insert: instead of the agent's own; None leaves that.
        steps: transitions over all actors, after which the run ends.
        steps_per_call: K, the gradient steps that the learner does in one call.
        evaluation_period: actor steps from one evaluation to the next; None is `steps` / 20.
        evaluation_episodes: episodes in each evaluation.
        evaluation_sample: evaluate with sampled actions rather than the policy's mode.
        seed: of the parameters, the policies' random numbers and the environments.
        checkpoint_period_s: seconds from one checkpoint to the next.
        replay_checkpoint_period_s: seconds from one saving of what replay holds to the next; 0
            saves nothing, and a replay server that is started again is empty.
        learner_threads: threads of TensorFlow's operations in the learner; None is one per core.
        max_episode_steps: actions after which an episode that has not ended is cut off.
        max_parameter_age: gradient steps that actors' parameters may be behind without a warning.
        preset: the name of the preset that the settings were begun from, for the record alone.
        environment_is_object: whether the environment was given as an object of the user's
            program, which is not saved with the run.
        environment_maker: that object, a function or class that makes the environment; None where
            it is not known any more.
        layout: of the environment, once one has been made; those made later are held against it.
    """

    agent: str
    agent_config: AgentConfig
    environment: str
    env_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    action_repeat: int = 1
    num_actors: int = 2
    environments_per_actor: int = 2
    samples_per_insert: float | None = None
    steps: int = 220_000
    steps_per_call: int = 50
    evaluation_period: int | None = None
    evaluation_episodes: int = 10
    evaluation_sample: bool = False
    seed: int = 0
    checkpoint_period_s: float = 60.0
    replay_checkpoint_period_s: float = 300.0
    learner_threads: int | None = None
    max_episode_steps: int = 100_000
    max_parameter_age: int = 20_000
    preset: str | None = None
    environment_is_object: bool = False
    environment_maker: Callable[..., Any] | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        """Checks each field alone; raises `ExperimentError`."""
        for name in (
            "action_repeat",
            "num_actors",
            "environments_per_actor",
            "steps",
            "steps_per_call",
            "evaluation_episodes",
            "max_episode_steps",
            "max_parameter_age",
        ):
            _require_at_least_one(name, getattr(self, name))
        for name in ("evaluation_period", "learner_threads"):
            if getattr(self, name) is not None:
                _require_at_least_one(name, getattr(self, name))
        if self.samples_per_insert is not None and not 0 <= self.samples_per_insert < float("inf"):
            raise ExperimentError(
                f"samples_per_insert = {self.samples_per_insert} cannot work: it must be a number, "
                "0 or above."
            )
        if not 0 < self.checkpoint_period_s < float("inf"):
            raise ExperimentError(
                f"checkpoint_period_s = {self.checkpoint_period_s} cannot work: it must be a "
                "number above 0."
            )
        if not 0 <= self.replay_checkpoint_period_s < float("inf"):
            raise ExperimentError(
                f"replay_checkpoint_period_s = {self.replay_checkpoint_period_s} cannot work: it "
                "must be a number, 0 or above."
            )
        if not 0 <= self.seed < 2**31:
            raise ExperimentError(
                f"seed = {self.seed} cannot work: it must be from 0 to 2**31 - 1."
            )

    @property
    def config(self) -> AgentConfig:
        """The agent's settings with the experiment's own put in."""
        if self.samples_per_insert is None:
            return self.agent_config
        return dataclasses.replace(self.agent_config, samples_per_insert=self.samples_per_insert)

    @property
    def steps_between_evaluations(self) -> int:
        """Actor steps from one evaluation to the next."""
        return self.evaluation_period or max(self.steps // 20, 1)

    def going_on(self, actor_steps: int) -> Experiment:
        """The same, but for what actors and environments draw: not again what they have drawn.

        Args:
            actor_steps: that the run has done.
        """
        if not actor_steps:
            return self
        return dataclasses.replace(self, seed=self.seed_of("resumed", actor_steps))

    def seed_of(self, role: str, index: int = 0) -> int:
        """A seed for one node, unlike those of the others; from 0 to 2**31 - 1."""
        key = (*role.encode(), index)
        return int(np.random.SeedSequence(self.seed, spawn_key=key).generate_state(1)[0] >> 1)

    def given(self, environment: Given) -> Experiment:
        """The same in an environment that is given anew, and must have the same layout.

        The arguments stay with an environment that was given as an object, and so must be again,
        and with the very one of the run. Another one has not the parameters that they are for.
        """
        name = environment.name if environment.maker else environment_path(environment.name)
        is_same = self.environment_is_object or name == self.environment
        return dataclasses.replace(
            self,
            environment=name,
            env_kwargs=self.env_kwargs if is_same else {},
            environment_is_object=environment.maker is not None,
            environment_maker=environment.maker,
        )

    def make_environment(self, seed: int, *, rendered: bool = False) -> CanonicalEnvironment:
        """Makes one environment.

        Args:
            seed: of the environment.
            rendered: whether it is to be drawn.

        Raises:
            ExperimentError: it cannot be made, or has not the layout that the run began with.
            NotRenderableError: it is to be drawn, and has no pictures.
        """
        from quinoa import environments

        if self.environment_is_object and self.environment_maker is None:
            raise ExperimentError(
                f"The environment of this run, {self.environment}, was given as a Python object, "
                "which a run does not keep: give it again, by env=... in Python or --env=NAME on "
                "the command line, as --env=file.py:factory."
            )
        try:
            made = environments.make(
                self.environment,
                seed,
                action_repeat=self.action_repeat,
                rendered=rendered,
                arguments=self.env_kwargs,
                maker=self.environment_maker,
            )
        except (
            environments.UnknownEnvironmentError,
            environments.InvalidEnvironmentError,
        ) as error:
            raise ExperimentError(str(error)) from error
        if self.layout is not None and (
            difference := self.layout.difference(environments.Layout.of(made))
        ):
            made.close()
            raise ExperimentError(
                f"The environment {self.environment} is not the one that this run was trained in: "
                f"{difference}. Use the version that it was trained in, or train anew."
            )
        return made

    def make_environments(self, count: int, role: str, index: int = 0) -> EnvironmentBatch:
        """Makes the environments of one node, each with a seed of its own.

        One that breaks so that it cannot be reset gives way to another, with yet another seed.

        Raises:
            ExperimentError: see `make_environment`.
        """
        from quinoa import environments

        seeds = np.random.SeedSequence(self.seed_of(role, index))
        return environments.EnvironmentBatch(
            [self.make_environment(seed) for seed in environments.draw_seeds(seeds, count)],
            make=lambda: self.make_environment(environments.draw_seeds(seeds.spawn(1)[0], 1)[0]),
            max_episode_steps=self.max_episode_steps,
        )

    def spec(self) -> specs.EnvironmentSpec:
        """The specs of the environment in canonical form; makes one if its layout is not known.

        Raises:
            ExperimentError: see `make_environment`.
        """
        return self.known_layout().spec()

    def known_layout(self) -> Layout:
        """The layout of the environment; makes one if it is not known.

        Raises:
            ExperimentError: see `make_environment`.
        """
        from quinoa import environments

        if self.layout is not None:
            return self.layout
        environment = self.make_environment(self.seed)
        try:
            return environments.Layout.of(environment)
        finally:
            environment.close()

    def validate(self, steps_done: int = 0, transitions_held: int = 0) -> Experiment:
        """Finds out whether this can run, before anything is started: takes a few seconds.

        Makes one environment and steps it, and makes the agent for it.

        Args:
            steps_done: of a run that goes on.
            transitions_held: in replay when it does.

        Returns:
            The same experiment, with the layout of its environment.

        Raises:
            ExperimentError: it cannot; the message says what to change.
        """
        config = self.config
        # Replay gets an environment's steps a segment at a time.
        in_segments = config.segment_length * self.num_actors * self.environments_per_actor
        learner_starts = max(config.min_replay_size, in_segments)
        if transitions_held >= learner_starts:
            learner_starts = 0
        if self.steps - steps_done <= learner_starts:
            raise ExperimentError(
                f"steps = {self.steps} ends before the first gradient step: replay is to hold "
                f"{learner_starts} transitions by then (min_replay_size, or segment_length in "
                "every environment). Give more steps, or make those smaller."
            )
        layout = self._try_environment()
        self._try_agent(layout)
        return dataclasses.replace(self, layout=layout)

    def _try_environment(self) -> Layout:
        from quinoa.environments import Layout
        from quinoa.environments.user_code import described

        try:
            batch = self.make_environments(1, "validation")
            try:
                batch.reset()
                shape = (1, *batch.environments[0].action_spec().shape)
                for fault in batch.step(np.zeros(shape, np.float32)).faults:
                    raise fault
                return Layout.of(batch.environments[0])
            finally:
                batch.close()
        except ExperimentError:
            raise
        except Exception as error:
            raise ExperimentError(
                f"The environment {self.environment} fails when it is made, reset and stepped: "
                f"{described(error)}"
            ) from error

    def _try_agent(self, layout: Layout) -> None:
        from quinoa.agents import initialization, registry
        from quinoa.environments.user_code import described

        try:
            agent_class = registry.load(self.agent).agent_class
            with initialization.alone():
                agent_class(self.config, layout.spec())
        except registry.UnknownAgentError as error:
            raise ExperimentError(str(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ExperimentError(
                f"The agent {self.agent} cannot be made for {self.environment}: {described(error)}"
            ) from error

    def save(
        self,
        folder: RunFolder,
        *,
        resumed_at: int | None = None,
        called_in: Path | None = None,
    ) -> None:
        """Writes the experiment to the run's folder, with what it was run by.

        What the sources differ in from their git revision goes to a file of its own.

        Args:
            folder: of the run.
            resumed_at: the actor steps from which a run goes on that the folder already has.
            called_in: the folder that the program was called in; by default, that it is in now.
        """
        called_in = called_in or Path.cwd()
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["environment_maker"]
        fields["agent_config"] = parsing.to_json(self.agent_config)
        fields["env_kwargs"] = dict(self.env_kwargs)
        fields["layout"] = None if self.layout is None else self.layout.to_json()
        described = {"format": _FORMAT, "experiment": fields, **provenance.collect(called_in)}
        if resumed_at is not None:
            before = read_json(folder.experiment)
            resumed = {"actor_steps": resumed_at, **provenance.collect(called_in)}
            resumes = [*before.get("resumed", []), resumed]
            described = {**before, "format": _FORMAT, "experiment": fields, "resumed": resumes}
        write_json(folder.experiment, described)
        if diff := provenance.diffs(called_in):
            write_text(folder.source_diff(resumed_at), diff)


def load(folder: RunFolder, environment: Given | None = None) -> Experiment:
    """Reads what `Experiment.save` wrote.

    Args:
        folder: of the run.
        environment: given anew, where the run does not keep its own, or another is to be used.

    Raises:
        RunError: the file is missing or damaged, or the agent is not to be found any more.
    """
    from quinoa.agents import registry
    from quinoa.agents.config import AgentConfig
    from quinoa.environments import Layout

    path = folder.experiment
    try:
        saved = read_json(path)
        fields: dict[str, Any] = dict(saved["experiment"])
        if not isinstance(fields["agent"], str) or not isinstance(fields["agent_config"], dict):
            raise TypeError("its agent is no name, or has no settings")
        if saved.get("format", 1) < _AGENTS_MOVED:
            fields["agent"] = registry.moved(fields["agent"])
        config_fields = fields.pop("agent_config")
        config = parsing.from_json(
            registry.load_config(fields["agent"]).config_class, config_fields
        )
        # Runs of before have neither.
        env_kwargs, layout = dict(fields.pop("env_kwargs", {})), fields.pop("layout", None)
        whole: dict[str, Any] = {
            "agent_config": config,
            "env_kwargs": env_kwargs,
            "layout": None if layout is None else Layout.from_json(layout),
        }
        types = typing.get_type_hints(
            Experiment, localns={"AgentConfig": AgentConfig, "Layout": Layout}
        )
        loaded = Experiment(**whole, **parsing.restored(fields, types))
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


def agent_path(name: str) -> str:
    """The import path of an agent that an installed package declares by a name.

    So a run can be read without what declares the name. Any other name is returned as it is.

    Raises:
        ExperimentError: several packages declare it.
    """
    from quinoa.agents import registry

    try:
        return registry.import_path(name)
    except registry.UnknownAgentError as error:
        raise ExperimentError(str(error)) from error


def environment_path(name: str) -> str:
    """The same for an environment."""
    from quinoa import environments

    try:
        return environments.import_path(name)
    except environments.InvalidEnvironmentError as error:
        raise ExperimentError(str(error)) from error


def _require_at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise ExperimentError(f"{name} = {value} cannot work: it must be at least 1.")
