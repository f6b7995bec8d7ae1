"""What an actor does: it takes steps, gathers its metrics and warns of what goes wrong."""

from __future__ import annotations

from quinoa.agents.actor import ActingPolicy, Actor
from quinoa.agents.source import Parameters, Writer
from quinoa.environments import EnvironmentBatch
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.metric_rows import ActorRows
from quinoa.launch.roles.role_warnings import RoleWarnings
from quinoa.launch.run.roles import Role, node_name


class Acting:
    """An actor, whose every turn is one action in each of its environments."""

    def __init__(
        self,
        experiment: Experiment,
        index: int,
        policy: ActingPolicy,
        environments: EnvironmentBatch,
        writer: Writer,
        reporter: Reporter,
        *,
        parameters: Parameters | None = None,
    ):
        """Resets the environments.

        Args:
            experiment: what is run, from where the actor is to act: see `Experiment.resumed`.
            index: of the actor, from 0.
            policy: that it acts with.
            environments: that it acts in; `close` closes them.
            writer: takes every transition; `close` closes it.
            reporter: takes its counts, rows of metrics and warnings.
            parameters: keeps the policy up to date, and is closed by `close`; None if the policy
                is the learner's own, and so is never old.
        """
        self._reporter = reporter
        self._parameters = parameters
        self._max_episode_steps = experiment.max_episode_steps
        # Nobody has to be told of episodes that were to be cut off.
        limit = experiment.episode_limit(Role.ACTOR)
        self._warns_of_truncation = limit == experiment.max_episode_steps
        self._max_parameter_age = experiment.max_parameter_age
        self._actor = Actor(
            policy,
            environments,
            writer,
            seed=experiment.seed_of("actor-policy", index),
            parameters=parameters,
            discount=experiment.learner_config.discount
            if experiment.learner_config.scale_rewards
            else None,
            exploration=experiment.learner_config.exploration(),
            action_noise=experiment.learner_config.sampling(),
        )
        self._rows = ActorRows(index)
        self._warnings = RoleWarnings(node_name(Role.ACTOR, index), reporter.add_event)

    @property
    def seconds_since_row(self) -> float:
        """Seconds since the last row of metrics, or since the beginning."""
        return self._rows.seconds

    def turn(self) -> None:
        """Takes one action in each environment, and counts what came of it.

        Raises:
            EnvironmentFault: see `Actor.step`.
            NonFiniteError: see `Actor.step`.
        """
        reporter, parameters, warnings = self._reporter, self._parameters, self._warnings
        # As of now: once it has acted, the step may wait for replay while the learner continues.
        learner_steps = reporter.learner_steps
        step = self._actor.step()
        age = 0 if parameters is None else max(learner_steps - parameters.version, 0)
        is_stale = warnings.parameter_age(age, self._max_parameter_age)
        self._rows.add(step, age, is_stale=is_stale)
        warnings.dropped(step.faults)
        if self._warns_of_truncation:
            warnings.truncated(len(step.truncated), self._max_episode_steps)
        reporter.add(step.num_transitions, len(step.returns))

    def record(self) -> None:
        """Has a row written of the turns since the last one; does nothing if there were none."""
        if not self._rows.is_empty:
            self._reporter.record(self._rows.take())

    def close(self) -> None:
        """Writes what the writer holds back, and closes what the actor was given."""
        self._actor.close()
