"""What a learner does: it learns, is watched for divergence, publishes, measures and saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import tensorflow as tf
from acme import specs

from quinoa.agents import warm_start
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.checkpoint_schedule import CheckpointSchedule
from quinoa.launch.roles.divergence_guard import DivergenceGuard
from quinoa.launch.roles.metric_rows import LearnerRows
from quinoa.launch.roles.replay_watch import ReplayFill, ReplayWait
from quinoa.launch.run import node_warnings
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role, node_name
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.terminal.output import say

# Of the periods between two publications, after so many without a turn what was learned last is
# published.
_IDLE_PERIODS = 2.0
# The only node of its kind, as events name it.
_NODE = node_name(Role.LEARNER)


def make_learner(
    experiment: Experiment, spec: specs.EnvironmentSpec, checkpoint: Checkpoint | None
) -> Learner:
    """Makes the learner of an experiment, as it was when a checkpoint was made, if there is one.

    Without one it begins with the networks of another run, if the experiment says so.

    Args:
        experiment: what is run.
        spec: `experiment.spec()`, which may have to make an environment.
        checkpoint: to restore; None is a new learner.

    Raises:
        CheckpointError: the checkpoint is another experiment's.
    """
    learner = Learner(
        experiment.agent_class(),
        experiment.learner_config,
        spec,
        experiment.seed_of(Role.LEARNER),
        gradient_steps=experiment.gradient_steps,
    )
    if checkpoint is not None:
        learner.restore(checkpoint.learner_prefix)
    elif experiment.init_from is not None:
        taken = warm_start.take(learner.agent, experiment.init_from, experiment.init_part)
        say(f"{_NODE}: begins with {', '.join(taken)} of {experiment.init_from}")
    # A checkpoint of before the first step has the networks, but not which of them were taken.
    if experiment.init_from is not None and not learner.steps:
        learner.begin_with_networks(warm_start.variables_of(learner.agent, experiment.init_part))
    return learner


class Learning:
    """A learner, whose every turn is the gradient steps that one superbatch is for.

    Attributes:
        steps: gradient steps that it has done.
        wait: how long it has waited for what it learns from.
        fill: how full replay is.
    """

    def __init__(
        self,
        experiment: Experiment,
        learner: Learner,
        folder: RunFolder,
        reporter: Reporter,
        *,
        counts: Callable[[], Counts],
        publish: Callable[[], None] = lambda: None,
        publish_period_s: float = 0.0,
    ):
        """Learns nothing yet.

        Args:
            experiment: what is run.
            learner: of `make_learner`.
            folder: of the run.
            reporter: takes the number of gradient steps, and rows of metrics.
            counts: the run's counts, for its checkpoints.
            publish: publishes the learner's parameters; it is called only after they were checked.
            publish_period_s: seconds from one check and publication to the next; 0 is at each turn,
                as it must be where actors act with the learner's own variables.
        """
        warn = node_warnings.of(folder.events, _NODE)
        self._learner = learner
        self._reporter = reporter
        self._publish = publish
        self._publish_period_s = publish_period_s
        self._last_publication = time.monotonic()
        self._guard = DivergenceGuard(learner, folder.checkpoints, warn)
        self._checkpoints = CheckpointSchedule(
            learner, folder.checkpoints, experiment.checkpoint_period_s, counts, warn
        )
        self._rows = LearnerRows(learner, self._guard, self._checkpoints)
        self._metrics: Mapping[str, tf.Tensor] = {}
        self._unchecked: Transition | None = None
        self.steps = learner.steps
        self.wait, self.fill = ReplayWait(warn), ReplayFill(warn)
        reporter.set_learner_steps(self.steps)

    @property
    def seconds_since_row(self) -> float:
        """Seconds since the last row of metrics, or since the beginning."""
        return self._rows.seconds

    def turn(self, superbatch: Transition) -> bool:
        """Learns from one superbatch, and checks and publishes what was learned when that is due.

        Args:
            superbatch: K batches, leading shape [K, ...].

        Returns:
            Whether it has checked and published; `record` and `save_if_due` wait for the device,
            as that does, and are best called then.

        Raises:
            DivergedError: learning has diverged, and going back has not helped.
            RunError: it has diverged, and no checkpoint is whole.
        """
        self._metrics = self._learner.step(superbatch)
        self._unchecked = superbatch
        self.steps += superbatch.reward.shape[0]
        self._reporter.set_learner_steps(self.steps)
        now = time.monotonic()
        if now - self._last_publication < self._publish_period_s:
            return False
        self._check()
        self._publish()
        self._last_publication = now
        return True

    def publish_last(self) -> None:
        """Checks and publishes what was learned last, where no turn follows for some time.

        To be called while data are waited for: actors would act with older parameters meanwhile,
        which is long where their environments are slow.

        Raises:
            DivergedError, RunError: see `turn`.
        """
        since_s = time.monotonic() - self._last_publication
        if self._unchecked is not None and since_s >= _IDLE_PERIODS * self._publish_period_s:
            self._check()
            self._publish()
            self._last_publication = time.monotonic()

    def record(self) -> None:
        """Has a row written of the turns since the last one; does nothing before the first."""
        if self._metrics:
            row = self._rows.take(self._metrics, self.wait.seconds, self.fill.size)
            self._reporter.record(row)

    def save_if_due(self) -> None:
        """Writes a checkpoint if one is due and what was learned is worth it."""
        if self._checkpoints.is_due and self._guard.may_save:
            self._checkpoints.save()

    def end(self) -> None:
        """Checks what was learned last, and saves it.

        Raises:
            DivergedError: see `turn`.
            RunError: it cannot be saved, or see `turn`.
        """
        self._check()
        self._checkpoints.save_last()

    def _check(self) -> None:
        if self._unchecked is not None:
            self._guard.inspect(self._unchecked)
            self._unchecked = None
