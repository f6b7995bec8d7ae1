"""All roles of a run in one process: they take turns, in an order that follows from steps alone."""

from __future__ import annotations

from collections.abc import Callable

from quinoa.agents import initialization
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
from quinoa.launch.checkpoints.replay_checkpoints import ReplaySaver
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.acting import Acting
from quinoa.launch.roles.evaluating import Evaluating
from quinoa.launch.roles.learning import Learning, make_learner
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

# Rows of metrics over the whole run, for each actor and the learner. By steps and not by time, so
# that the same seed gives the same rows.
_NUM_ROWS = 200


class Turns:
    """Actors, learner, evaluator and replay of a run; the actors act with the learner's policy."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        checkpoint: Checkpoint | None,
        report: Send,
        *,
        should_stop: Callable[[], bool],
    ):
        """Makes them; nothing is done yet.

        Args:
            experiment: what is run, from where it begins: see `Experiment.resumed`.
            folder: of the run. What its `replay` holds is restored.
            checkpoint: of the learner, to begin from; None is from the beginning.
            report: `Counter.report`.
            should_stop: asked at every step of an evaluation, which ends when it is true.

        Raises:
            CheckpointError: the checkpoint is another experiment's.
        """
        self._should_stop = should_stop
        self._acted, self._learned, self._evaluated = (
            Reporter(report, role, source=role)
            for role in (Role.ACTOR, Role.LEARNER, Role.EVALUATOR)
        )
        learner = make_learner(experiment, experiment.spec(), checkpoint)
        policy = CompiledPolicy(learner.agent.policy)
        self._learner, self._evaluated_policy = learner, policy
        if learner.has_average:
            with initialization.alone():
                made = experiment.agent_class().make_policy(
                    experiment.learner_config, experiment.spec()
                )
            self._evaluated_policy = CompiledPolicy(made)
        self._source = experiment.make_source()
        self._replay = self._source.memory(experiment.seed_of(Role.REPLAY))
        contents = replay_checkpoints.recover_newest(folder)
        if contents is not None:
            self._replay.restore(contents.path)
        self._replay_checkpoints = ReplaySaver(folder, experiment, replay_checkpoints.ROWS_FORMAT)
        self._superbatch_size = self._source.steps_per_call * experiment.learner_config.batch_size
        self._actors = [
            Acting(
                experiment,
                index,
                policy,
                experiment.make_environments(experiment.environments_per_actor, Role.ACTOR, index),
                self._replay.writer(experiment.environments_per_actor),
                self._acted,
            )
            for index in range(experiment.num_actors)
        ]
        self._evaluating = Evaluating(experiment, self._evaluated_policy, self._evaluated)
        self._learning = Learning(
            experiment, learner, folder, self._learned, counts=lambda: self._acted.counts
        )
        # The answer has the counts that the run begins from.
        self._acted.send()
        self._row_period = max(experiment.steps // _NUM_ROWS, 1)
        self._next_row = self._acted.counts.actor_steps + self._row_period

    @property
    def is_over(self) -> bool:
        """Whether the run has done its last step."""
        return self._acted.stop

    def take(self) -> None:
        """One turn of each actor, and those of the others that this makes due.

        Raises:
            DivergedError: see `Learning.turn`.
            EnvironmentFault: see `Actor.step`.
            NonFiniteError: see `Actor.step`.
        """
        actor_steps = self._acted.counts.actor_steps
        if self._evaluating.is_due(actor_steps):
            if self._learner.has_average:
                self._evaluated_policy.assign(self._learner.evaluation_parameters())
            self._evaluating.turn(actor_steps, self._learning.steps, self._should_stop)
            self._evaluated.send()
        try:
            for acting in self._actors:
                acting.turn()
        finally:
            # What has been warned of is not lost where an actor fails.
            self._acted.send()
        while self._replay.can_sample(self._superbatch_size):
            self._learning.turn(self._replay.sample(self._source.steps_per_call))
        if self._acted.counts.actor_steps >= self._next_row:
            self._next_row = self._acted.counts.actor_steps + self._row_period
            self._record()

    def save_if_due(self) -> None:
        """Writes the checkpoints that are due."""
        self._learning.save_if_due()
        if self._source.keeps and self._replay_checkpoints.is_due:
            self._save_replay()

    def save_last(self) -> None:
        """Ends acting, and writes the run's last checkpoints.

        Raises:
            RunError: see `Learning.end`.
        """
        self._learning.end()
        # Replay gets what the writers hold back, of n steps or a segment that are under way.
        self._close_actors()
        if self._source.keeps and self._replay_checkpoints.is_on:
            self._save_replay()

    def close(self) -> None:
        """Closes the environments, unless they are closed."""
        self._close_actors()
        self._evaluating.close()

    def _close_actors(self) -> None:
        while self._actors:
            self._actors.pop().close()

    def _record(self) -> None:
        for acting in self._actors:
            acting.record()
        if self._source.keeps:
            self._learning.fill.see(len(self._replay), self._source.capacity)
        self._learning.record()
        self._learned.send()
        self._acted.send()

    def _save_replay(self) -> None:
        replay = self._replay
        self._replay_checkpoints.save(
            inserted=replay.num_inserted,
            sampled=replay.num_sampled,
            transitions=len(replay),
            size=replay.num_bytes,
            fill=replay.save,
        )
