"""An experiment: everything that defines a run, as a value that can be saved, loaded and run again.

A field of `Experiment` declares its type, bounds, default and meaning (see `quinoa.config.fields`).
The flags of `quinoa train` and `quinoa sweep`, what --change may name, the options of
`quinoa.train`, and what a run's folder stores of the experiment are derived from the fields.
This module imports neither TensorFlow nor NumPy, as every `--help` imports it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from quinoa.agents.config import AgentConfig, LearnerConfig, OffPolicyConfig
from quinoa.config.fields import NO_FLAG, OPAQUE, Bounds, ConfigError, Flag, check
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import of_agents
from quinoa.launch.experiment.stored_names import environment_path
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.roles import Role

if TYPE_CHECKING:
    from acme import specs

    from quinoa.agents.protocol import Agent
    from quinoa.agents.source import Source
    from quinoa.environments import CanonicalEnvironment, EnvironmentBatch, Layout
    from quinoa.environments.source import EnvironmentSource

DEFAULT_ENVIRONMENT = "control:cartpole:swingup"

# Environments that one evaluation steps together, at most.
MAX_EVALUATION_ENVIRONMENTS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """An agent, an environment, how they are run, and for how long."""

    agent: Annotated[str, Flag(default=None)]
    """What learns: a name (see quinoa list), or the import path of an agent of your own,
    my_package.my_agent. Default: the preset's; with --env alone, that of the preset that quinoa
    list recommends for it, with its settings and steps; otherwise the first that quinoa list
    shows."""
    environment: Annotated[str, Flag("env", default=DEFAULT_ENVIRONMENT)]
    """What it learns: a name (see quinoa list), or package.module:factory for one of your own.
    Agents without actors have none."""
    env_kwargs: Annotated[Mapping[str, Any], Flag("env_set")] = dataclasses.field(
        default_factory=dict
    )
    """A keyword argument for what makes the environment, NAME=VALUE, the value as JSON has it
    (10, true, [1, 2]), or else a text; may be given several times."""
    agent_config: Annotated[AgentConfig, Flag("set")]
    """A setting of the agent, NAME=VALUE, as quinoa list AGENT shows them; may be given several
    times."""

    steps: Annotated[int, Bounds(at_least=1), Flag(default=None)] = 220_000
    """Actor steps after which the run ends: actions over all environments of all actors, each of
    which lasts --action_repeat environment steps. Of an agent without actors, gradient steps.
    Default: the preset's, where one is named or recommended for the environment; otherwise 220000,
    or what an agent without actors says."""
    num_actors: Annotated[int, Bounds(at_least=1)] = 2
    """Actor processes."""
    environments_per_actor: Annotated[int, Bounds(at_least=1), Flag(default=None)] = 2
    """Environments that each actor steps together. Default: as many as let the actors keep up with
    the learner."""
    action_repeat: Annotated[int, Bounds(at_least=1)] = 1
    """Environment steps that each action lasts."""
    samples_per_insert: Annotated[float, Bounds(at_least=0)] | None = None
    """How often each step is learned from, on average, in place of the agent's own setting; 0 holds
    no ratio, and lets actors and learner go as fast as they can."""
    steps_per_call: Annotated[int, Bounds(at_least=1), Flag(default=None)] = 50
    """Gradient steps that the learner does in one go. Default: 50, or 200 on a GPU. An
    on-policy agent takes 1 only, which is its default."""
    evaluation_period: Annotated[int, Bounds(at_least=1)] | None = None
    """Steps, in the unit of --steps, from one evaluation to the next. Default: steps / 20."""
    evaluation_episodes: Annotated[int, Bounds(at_least=1)] = 10
    """Episodes in each evaluation."""
    evaluation_sample: bool = False
    """Evaluate with sampled actions rather than the policy's deterministic ones."""
    max_episode_steps: Annotated[int, Bounds(at_least=1)] = 100_000
    """Actions after which an episode that has not ended is cut off (as a time limit would)."""
    actor_episode_steps: Annotated[int, Bounds(at_least=1)] | None = None
    """The same of the actors' episodes alone: evaluations go on until theirs end. Where an episode
    begins far from what it is about, as on the ground, more of what is learned from is of its
    beginning. Default: --max_episode_steps."""
    max_parameter_age: Annotated[int, Bounds(at_least=1)] = 20_000
    """Gradient steps that an actor's parameters may be behind the learner's. When they are further
    behind, the actor warns and continues."""
    init_from: str | None = None
    """The folder of a run with the same agent, whose networks this run begins with. Its task and
    other settings may differ, as long as the networks have the same sizes."""
    init_part: Literal["all", "policy", "critic"] = "all"
    """What --init_from takes: the policy, the other networks, or all. Temperatures, schedules and
    optimisers begin anew, and the networks are random from the first reset on (reset_period)."""
    demonstrations: str | None = None
    """What is learned from beside what the actors do: run:RUN, as quinoa record has recorded it, or
    minari:DATASET, a dataset of Minari's by its folder or id. For agents that learn from replay.
    Agents without actors learn from this alone: a file, or what else they know by a name."""
    demonstration_share: Annotated[float, Bounds(above=0, below=1)] = 0.5
    """The share of each batch that is of --demonstrations."""
    seed: Annotated[int, Bounds(at_least=0, at_most=2**31 - 1), Flag(bounds=Bounds(at_least=0))] = 0
    """Seed of everything random."""
    learner_threads: Annotated[int, Bounds(at_least=1)] | None = None
    """Threads of the learner. Default: one for each core; on a cluster, for each that its host has
    to spare."""
    checkpoint_period_s: Annotated[
        float, Bounds(above=0), Flag("checkpoint_period", bounds=Bounds(at_least=0.1))
    ] = 60.0
    """Seconds from one checkpoint to the next."""
    replay_checkpoint_period_s: Annotated[
        float, Bounds(at_least=0), Flag("replay_checkpoint_period")
    ] = 300.0
    """Seconds from one saving of what replay holds to the next, for when its server dies, and for
    --resume_replay; 0 saves nothing."""

    preset: Annotated[str | None, NO_FLAG] = None
    """The name of the preset that the settings come from, for the record only."""
    environment_is_object: Annotated[bool, NO_FLAG] = False
    """Whether the environment was given as a Python object, which is not saved with the run."""
    environment_maker: Callable[..., Any] | None = dataclasses.field(default=None, metadata=OPAQUE)
    """That object, a function or class that makes the environment; None in a loaded run until it is
    given again."""
    layout: Layout | None = dataclasses.field(default=None, metadata=OPAQUE)
    """The layout of the environment, once one has been made. Later ones must have the same."""

    def __post_init__(self) -> None:
        """Checks the fields and the agent's settings; raises `ExperimentError`."""
        try:
            check(self)
            # The agent's class checks the settings with the experiment's own among them.
            _ = self.config
        except ConfigError as error:
            raise ExperimentError(str(error)) from error
        of_agents.check_settings(
            self.config,
            samples_per_insert=self.samples_per_insert,
            demonstrations=self.demonstrations,
            gradient_steps=self.gradient_steps,
        )

    @property
    def config(self) -> AgentConfig:
        """The agent's settings, with those that the experiment overrides."""
        if self.samples_per_insert is None or not isinstance(self.agent_config, OffPolicyConfig):
            return self.agent_config
        return dataclasses.replace(self.agent_config, samples_per_insert=self.samples_per_insert)

    @property
    def learner_config(self) -> LearnerConfig:
        """The same of an agent that acts, with all that such an agent says.

        Raises:
            ExperimentError: the agent does not act.
        """
        config = self.config
        if not isinstance(config, LearnerConfig):
            raise ExperimentError(
                f"The agent {self.agent} learns from demonstrations alone: it acts in no "
                "environment, and has no policy."
            )
        return config

    @property
    def task(self) -> str:
        """What it learns from: its environment's name, or its demonstrations' where it has none."""
        return self.environment or self.demonstrations or ""

    @property
    def budget(self) -> Budget:
        """How long the run lasts: `steps` of its actors, or of a learner that has none."""
        return Budget(self.steps, "actor_steps" if self.config.has_actors else "learner_steps")

    @property
    def gradient_steps(self) -> int | None:
        """The gradient steps of the run, about; None where they depend on how fast it is."""
        return self.config.gradient_steps(self.steps)

    @property
    def num_environments(self) -> int:
        """Environments over all actors."""
        return self.num_actors * self.environments_per_actor

    @property
    def steps_between_evaluations(self) -> int:
        """Steps of the budget from one evaluation to the next."""
        return self.evaluation_period or max(self.steps // 20, 1)

    def resumed(self, actor_steps: int) -> Experiment:
        """The experiment of a run that resumes: actors and environments get new random numbers.

        Args:
            actor_steps: the steps that the run has done; 0 changes nothing.
        """
        if not actor_steps:
            return self
        return dataclasses.replace(self, seed=self.seed_of("resumed", actor_steps))

    def seed_of(self, role: str, index: int = 0) -> int:
        """The seed of one node, from 0 to 2**31 - 1; every role and index has its own."""
        import numpy as np

        key = (*role.encode(), index)
        return int(np.random.SeedSequence(self.seed, spawn_key=key).generate_state(1)[0] >> 1)

    def given(self, environment: EnvironmentSource) -> Experiment:
        """The experiment in an environment that the user gives again; the layout must be the same.

        `env_kwargs` are kept for the run's own environment: that of the same name, or the object
        where it was given as one. Another environment may not take these arguments.
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
            rendered: whether it must be able to render.

        Raises:
            ExperimentError: it cannot be made, or its layout is not the run's.
            NotRenderableError: it must be able to render, and cannot.
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
        """Makes the environments of one node, each with its own seed.

        One that cannot be reset any more is replaced by a new one with a new seed.

        Raises:
            ExperimentError: see `make_environment`.
        """
        import numpy as np

        from quinoa import environments

        seeds = np.random.SeedSequence(self.seed_of(role, index))
        return environments.EnvironmentBatch(
            [self.make_environment(seed) for seed in environments.draw_seeds(seeds, count)],
            make=lambda: self.make_environment(environments.draw_seeds(seeds.spawn(1)[0], 1)[0]),
            max_episode_steps=self.episode_limit(role),
        )

    def episode_limit(self, role: str) -> int:
        """Actions after which an episode of a node of that role is cut off."""
        limits = [self.max_episode_steps]
        if role == Role.ACTOR and self.actor_episode_steps is not None:
            limits.append(self.actor_episode_steps)
        return min(limits)

    def spec(self) -> specs.EnvironmentSpec:
        """The specs of the environment in canonical form; makes one if its layout is not known.

        Raises:
            ExperimentError: see `make_environment`.
        """
        return self.known_layout().spec()

    def agent_class(self) -> type[Agent]:
        """The class of the agent, which sees what its configuration says: see `preprocessing`.

        Raises:
            UnknownAgentError: there is no such agent.
        """
        from quinoa.agents import preprocessing, registry

        # First, as it says what an agent is that has no class of this kind.
        config = self.learner_config
        return preprocessing.applied(registry.load(self.agent).agent_class, config)

    def make_source(self) -> Source:
        """Makes what the learner reads and the actors write, as the agent chooses it.

        Demonstrations are not loaded before they are learned from.

        Raises:
            ExperimentError: see `make_environment`.
            ConfigError: the agent's settings do not allow it.
        """
        make = functools.partial(
            self.agent_class().make_source,
            spec=self.spec(),
            num_environments=self.num_environments,
            steps_per_call=self.steps_per_call,
        )
        if self.demonstrations is None or not isinstance(self.config, OffPolicyConfig):
            return make(self.learner_config)
        from quinoa.agents.replay.mixed import mixed

        demonstrations = of_agents.demonstrations_of(self)
        return mixed(make, self.config, self.demonstration_share, demonstrations)

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
