"""The learner as a process: draws superbatches, learns, publishes parameters, saves."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
import reverb
import tensorflow as tf

from agents import registry, replay
from agents.learner import Learner, check_finite
from agents.parameters import PublishedParameters
from launch import checkpoints, heartbeat
from launch.counter import ACTOR_STEPS, EPISODES, LEARNER_SOURCE, LEARNER_STEPS
from launch.experiment import Experiment
from launch.finite import finite_parameters
from launch.reporter import BackgroundReporter, Report, Reporter
from launch.rows import Rate, learner_row
from launch.run_folder import RunFolder

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
        replay_client: reverb.Client,
        report: Report,
        stop: threading.Event,
    ):
        """Makes the agent, or has it as it was last saved, and publishes its parameters.

        Args:
            experiment: what is run.
            folder: of the run.
            replay_client: of the replay server.
            report: `Counter.report`.
            stop: ends `run`.

        Raises:
            RunError: there are checkpoints, and none is whole.
            CheckpointError: the newest is another experiment's.
        """
        self._experiment = experiment
        self._folder = folder
        self._replay_address = replay_client.server_address
        self._report = report
        self._stop_event = stop
        self._spec = experiment.spec()
        self._learner = Learner(
            registry.load(experiment.agent).agent_class,
            experiment.config,
            self._spec,
            experiment.seed_of("learner"),
        )
        checkpoint, damaged = checkpoints.newest_whole(folder.checkpoints)
        for error in damaged:
            error.checkpoint.set_aside()
        if checkpoint is not None:
            self._learner.restore(checkpoint.learner_prefix)
        self._start = checkpoints.counts_at(checkpoint)
        self._metrics: Mapping[str, tf.Tensor] = {}
        self._published = PublishedParameters()
        self._publish()

    def get_parameters(self, known_version: int) -> tuple[int, np.ndarray] | None:
        """The newest parameters and their version, the learner's steps; None if already known."""
        return self._published.get(known_version)

    def run(self) -> None:
        """Learns until it is told to stop, then saves.

        Raises:
            NonFiniteError: a metric or a parameter is NaN or infinite; it is neither published nor
                saved.
        """
        steps = self._learner.steps
        reporter = BackgroundReporter(self._report, "learner", source=LEARNER_SOURCE)
        reporter.set_total(LEARNER_STEPS, steps)
        superbatches = replay.superbatches(
            self._replay_address,
            self._experiment.config,
            self._spec,
            steps_per_call=self._experiment.steps_per_call,
            should_stop=heartbeat.beating(self._stop_event.is_set),
        )
        rate = Rate(steps)
        published = saved = time.monotonic()
        for superbatch in superbatches:
            self._metrics = self._learner.step(superbatch)
            steps += self._experiment.steps_per_call
            reporter.set_total(LEARNER_STEPS, steps)
            now = time.monotonic()
            if now - published >= _PUBLISH_S:
                self._publish()
                published = now
            if rate.seconds >= _REPORT_S:
                reporter.record(learner_row(self._metrics, steps, rate.per_second(steps)))
            if now - saved >= self._experiment.checkpoint_period_s:
                self._save(reporter)
                saved = now
            # A superbatch that is ready must not keep a stop waiting.
            if self._stop_event.is_set():
                break
        # Ends what it runs in the background.
        superbatches.close()
        self._save(reporter)
        reporter.close()

    def _publish(self) -> None:
        self._published.publish(self._learner.steps, finite_parameters(self._learner))

    def _save(self, reporter: Reporter) -> None:
        check_finite({name: float(value) for name, value in self._metrics.items()})
        # The counter may not have answered yet.
        counts = {
            kind: max(reporter.count(kind), self._start[kind]) for kind in (ACTOR_STEPS, EPISODES)
        }
        checkpoints.save(self._folder.checkpoints, self._learner, counts)
