"""The learner as a process: draws superbatches, learns, publishes parameters, saves."""

from __future__ import annotations

import contextlib
import functools
import threading

import numpy as np
import numpy.typing as npt

from quinoa.agents.divergence import finite_parameters
from quinoa.agents.parameters import PublishedParameters
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.counter import LEARNER_SOURCE
from quinoa.launch.metrics.reporter import BackgroundReporter, Reporter
from quinoa.launch.nodes import acting_plan, heartbeat
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.nodes.table_watch import TableWatch
from quinoa.launch.roles.learning import Learning, make_learner
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.reports import Send
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one publication of parameters to the next, and from one row of metrics to the next.
# Both fetch values from the device, which waits for it. Actors ask four times a second.
_PUBLISH_S = 0.25
_REPORT_S = 1.0
# Seconds for which an actor's question for parameters may be kept waiting for newer ones, where
# actors have nothing to do until then.
_NEWS_S = 0.05


class LearnerNode:
    """Learns until it is told to stop; serves parameters and `get_acting_plan`."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        replay_peer: ReplayPeer,
        report: Send,
        stop: threading.Event,
    ):
        """Makes the learner, as it was last saved if it was, and publishes its parameters.

        Args:
            experiment: what is run.
            folder: of the run.
            replay_peer: the replay server.
            report: `Counter.report`.
            stop: ends `run`.

        Raises:
            RunError: there are checkpoints, and none is whole.
            CheckpointError: the newest is another experiment's.
        """
        self._experiment = experiment
        self._folder = folder
        self._replay = replay_peer
        self._report = report
        self._stop_event = stop
        checkpoint = learner_checkpoints.recover_newest(folder.checkpoints)
        self._learner = make_learner(experiment, experiment.spec(), checkpoint)
        self._start = learner_checkpoints.counts_at(checkpoint)
        self._source = experiment.make_source()
        self._acting_plan = acting_plan.encoded(self._learner.agent.policy, self._source)
        self._published = self._evaluated = PublishedParameters()
        if self._learner.has_average:
            self._evaluated = PublishedParameters()
        self._publish()

    def get_acting_plan(self) -> bytes:
        """What actors need besides parameters; see `acting_plan`."""
        return self._acting_plan

    def get_parameters(self, known_version: int) -> tuple[int, npt.NDArray[np.float32]] | None:
        """The newest parameters and their version, the learner's steps; None if already known."""
        wait_s = _NEWS_S if self._source.publishes_each_call else 0.0
        return self._published.get(known_version, wait_s)

    def get_evaluation_parameters(
        self, known_version: int
    ) -> tuple[int, npt.NDArray[np.float32]] | None:
        """The same of the parameters that evaluations have: see `Learner`."""
        return self._evaluated.get(known_version)

    def run(self) -> None:
        """Learns until it is told to stop, then saves.

        Raises:
            DivergedError: learning has diverged, and going back has not helped.
            RunError: what it has learned last cannot be saved.
        """
        experiment, learner, source = self._experiment, self._learner, self._source
        with BackgroundReporter(
            self._report, Role.LEARNER, source=LEARNER_SOURCE, learner_steps=learner.steps
        ) as reporter:
            learning = Learning(
                experiment,
                learner,
                self._folder,
                reporter,
                counts=functools.partial(self._counts, reporter),
                publish=self._publish,
                publish_period_s=0.0 if source.publishes_each_call else _PUBLISH_S,
            )

            def should_stop() -> bool:
                learning.wait.look()
                learning.publish_last()
                return self._stop_event.is_set()

            # While the first transitions are gathered, or a server is not up yet.
            if not self._stop_event.is_set() and (blank := source.blank()) is not None:
                learner.prepare(blank)
            superbatches = self._replay.drawn(
                lambda address, ends: source.superbatches(
                    address,
                    fingerprint=lambda: self._published.fingerprint,
                    should_stop=ends,
                ),
                heartbeat.beating(should_stop),
            )
            table = TableWatch(self._replay, source, learning.fill)
            # Both end what they run in the background.
            with contextlib.closing(table), contextlib.closing(superbatches):
                for superbatch in learning.wait.timed(superbatches):
                    if learning.turn(superbatch):
                        if learning.seconds_since_row >= _REPORT_S:
                            learning.record()
                        learning.save_if_due()
                    # A superbatch that is ready must not keep a stop waiting.
                    if self._stop_event.is_set():
                        break
            learning.end()

    def _publish(self) -> None:
        steps = self._learner.steps
        self._published.publish(steps, finite_parameters(self._learner))
        if self._learner.has_average:
            self._evaluated.publish(steps, self._learner.evaluation_parameters())

    def _counts(self, reporter: Reporter) -> Counts:
        # The counter may not have answered yet.
        return Counts(
            actor_steps=max(reporter.counts.actor_steps, self._start.actor_steps),
            episodes=max(reporter.counts.episodes, self._start.episodes),
        )
