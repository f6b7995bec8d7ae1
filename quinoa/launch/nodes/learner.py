"""The learner as a process: draws superbatches, learns, publishes parameters, saves."""

from __future__ import annotations

import contextlib
import functools
import threading
import time

import numpy as np
import numpy.typing as npt

from quinoa.agents import registry, replay
from quinoa.agents.divergence import finite_parameters
from quinoa.agents.learner import Learner
from quinoa.agents.parameters import PublishedParameters
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.counter import LEARNER_SOURCE
from quinoa.launch.metrics.reporter import BackgroundReporter, Report, Reporter
from quinoa.launch.nodes import heartbeat
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.roles.checkpoint_schedule import Saver
from quinoa.launch.roles.divergence_guard import Guard
from quinoa.launch.roles.metric_rows import LearnerRows
from quinoa.launch.roles.replay_watch import Fill, TableWatch, Waiting
from quinoa.launch.run import node_warnings
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS, Counts
from quinoa.launch.run.run_folder import RunFolder

# The only node of its kind, as events name it.
_NAME = "learner-0"

# Seconds from one publication of parameters to the next, and from one row of metrics to the next.
# Both fetch values from the device, which waits for it. Actors ask four times a second.
_PUBLISH_S = 0.25
_REPORT_S = 1.0


class LearnerNode:
    """Learns until it is told to stop; serves `get_parameters`."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        replay_peer: ReplayPeer,
        report: Report,
        stop: threading.Event,
    ):
        """Makes the agent, or has it as it was last saved, and publishes its parameters.

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
        self._spec = experiment.spec()
        self._learner = Learner(
            registry.load(experiment.agent).agent_class,
            experiment.config,
            self._spec,
            experiment.seed_of("learner"),
        )
        checkpoint = learner_checkpoints.recover_newest(folder.checkpoints)
        if checkpoint is not None:
            self._learner.restore(checkpoint.learner_prefix)
        self._start = learner_checkpoints.counts_at(checkpoint)
        self._warn = node_warnings.of(folder.events, _NAME)
        self._published = PublishedParameters()
        self._publish()

    def get_parameters(self, known_version: int) -> tuple[int, npt.NDArray[np.float32]] | None:
        """The newest parameters and their version, the learner's steps; None if already known."""
        return self._published.get(known_version)

    def run(self) -> None:
        """Learns until it is told to stop, then saves.

        Raises:
            DivergedError: learning has diverged, and going back has not helped.
            RunError: what it has learned last cannot be saved.
        """
        experiment, learner = self._experiment, self._learner
        reporter = BackgroundReporter(self._report, "learner", source=LEARNER_SOURCE)
        reporter.set_total(LEARNER_STEPS, learner.steps)
        waiting, fill = Waiting(self._warn), Fill(self._warn)

        def should_stop() -> bool:
            waiting.look()
            return self._stop_event.is_set()

        superbatches = self._replay.drawn(
            lambda address, ends: replay.superbatches(
                address,
                experiment.config,
                self._spec,
                steps_per_call=experiment.steps_per_call,
                should_stop=ends,
            ),
            heartbeat.beating(should_stop),
        )
        guard = Guard(learner, self._folder.checkpoints, self._warn)
        saver = Saver(
            learner,
            self._folder.checkpoints,
            experiment.checkpoint_period_s,
            functools.partial(self._counts, reporter),
            self._warn,
        )
        rows = LearnerRows(learner, guard, saver)
        table = TableWatch(self._replay, experiment.config.segment_length, fill)
        # Both end what they run in the background.
        with contextlib.closing(table), contextlib.closing(superbatches):
            steps, published, superbatch = learner.steps, time.monotonic(), None
            for superbatch in waiting.timed(superbatches):
                metrics = learner.step(superbatch)
                steps += experiment.steps_per_call
                reporter.set_total(LEARNER_STEPS, steps)
                now = time.monotonic()
                if now - published >= _PUBLISH_S:
                    guard.inspect(superbatch)
                    self._publish()
                    published = now
                    if rows.seconds >= _REPORT_S:
                        reporter.record(rows.take(metrics, waiting.seconds, fill.size))
                    if saver.is_due and guard.may_save:
                        saver.save()
                # A superbatch that is ready must not keep a stop waiting.
                if self._stop_event.is_set():
                    break
        if superbatch is not None:
            guard.inspect(superbatch)
        saver.save_last()
        reporter.close()

    def _publish(self) -> None:
        self._published.publish(self._learner.steps, finite_parameters(self._learner))

    def _counts(self, reporter: Reporter) -> Counts:
        # The counter may not have answered yet.
        return Counts(
            actor_steps=max(reporter.count(ACTOR_STEPS), self._start.actor_steps),
            episodes=max(reporter.count(EPISODES), self._start.episodes),
        )
