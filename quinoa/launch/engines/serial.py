"""The engine in one process: no servers, no threads, and the same numbers every time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from quinoa.agents import registry
from quinoa.agents.actor import Actor
from quinoa.agents.evaluation import EvaluationStopped, evaluate
from quinoa.agents.learner import Learner
from quinoa.agents.replay import MemoryReplay
from quinoa.environments.user_code import described
from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import Outcome, ProcessContext, RunResult
from quinoa.launch.engines.settings import EngineSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import MAX_EVALUATION_ENVIRONMENTS, Experiment
from quinoa.launch.metrics.counter import LEARNER_SOURCE, Counter
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.checkpoint_schedule import Saver
from quinoa.launch.roles.divergence_guard import Guard
from quinoa.launch.roles.metric_rows import ActorRows, LearnerRows, evaluation_row
from quinoa.launch.roles.replay_watch import Fill
from quinoa.launch.roles.role_warnings import WarningLog
from quinoa.launch.run import node_warnings
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS, Counts
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.run_folder import RunFolder

# Rows of metrics over the whole run, for each actor and the learner. By steps and not by time, so
# that the same seed gives the same rows.
_NUM_ROWS = 200
_STATUS_S = 0.5


class SerialEngine:
    """Acts, learns and evaluates in turn: for debugging, and where runs must be repeatable.

    The same experiment gives the same parameters bit for bit, if its environment is deterministic
    and TensorFlow has one thread (as it has under the command line).
    """

    replay_form = replay_checkpoints.ROWS_FORMAT
    is_one_process = True

    def __init__(self, context: ProcessContext, settings: EngineSettings):
        """Starts nothing yet; it starts no processes, and has no settings."""
        del context, settings

    def check(self, experiment: Experiment) -> None:
        """See `Engine.check`."""
        if not experiment.config.samples_per_insert:
            raise ExperimentError(
                "The serial engine acts and learns in turn, so it needs a ratio of the two: give "
                "samples_per_insert above 0."
            )

    def run(
        self,
        experiment: Experiment,
        folder: RunFolder,
        on_status: Callable[[Mapping[str, Any]], None],
    ) -> RunResult:
        """See `Engine.run`. A failure raises its own error, for a debugger to see."""
        checkpoint, start = learner_checkpoints.newest_with_counts(folder.checkpoints)
        counter = Counter(folder, experiment.steps, start)
        ProcessList(folder)
        with signals.caught() as stop:
            run = _Run(experiment, folder, counter, checkpoint, start, lambda: stop.count > 0)
            try:
                with stop.second_interrupts():
                    shown = time.monotonic()
                    while not run.is_over and not stop.count:
                        run.step()
                        now = time.monotonic()
                        if now - shown >= _STATUS_S:
                            counter.save()
                            on_status(counter.status())
                            shown = now
                        run.save_if_due()
                    run.save_last()
                outcome = Outcome.FINISHED if run.is_over else Outcome.STOPPED
            except KeyboardInterrupt:
                if stop.count < 2:
                    raise
                outcome = Outcome.KILLED
            except Exception:
                raise
            except BaseException as error:
                # sys.exit() in an agent's code, say, which would end this process with status 0.
                raise RuntimeError(
                    f"The run was ended before its last step by {described(error)}."
                ) from error
            finally:
                run.close()
                counter.close()
            on_status(counter.status())
            return RunResult(outcome)


class _Run:
    """One run under way."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        counter: Counter,
        checkpoint: learner_checkpoints.Checkpoint | None,
        start: Counts,
        should_stop: Callable[[], bool],
    ):
        experiment = experiment.going_on(start.actor_steps)
        config, spec = experiment.config, experiment.spec()
        self._experiment = experiment
        self._should_stop = should_stop
        agent = registry.load(experiment.agent).agent_class
        self._learner = Learner(agent, config, spec, experiment.seed_of("learner"))
        if checkpoint is not None:
            self._learner.restore(checkpoint.learner_prefix)
        self._policy = self._learner.agent.policy
        self._replay = MemoryReplay(config, spec, experiment.seed_of("replay"))
        contents = replay_checkpoints.recover_newest(folder)
        if contents is not None:
            self._replay.restore(contents.path)
        self._replay_saver = replay_checkpoints.ReplaySaver(
            folder, experiment, SerialEngine.replay_form
        )
        self._superbatch_size = experiment.steps_per_call * config.batch_size
        self._actors = [
            Actor(
                self._policy,
                experiment.make_environments(experiment.environments_per_actor, "actor", index),
                self._replay,
                seed=experiment.seed_of("actor-policy", index),
                parameters=None,
            )
            for index in range(experiment.num_actors)
        ]
        self._evaluation_environments = experiment.make_environments(
            min(experiment.evaluation_episodes, MAX_EVALUATION_ENVIRONMENTS), "evaluator"
        )
        self._reporters = {
            role: Reporter(counter.report, role, source=source)
            for role, source in (
                ("actor", "actor"),
                ("learner", LEARNER_SOURCE),
                ("evaluator", "evaluator"),
            )
        }
        self._reporters["learner"].set_total(LEARNER_STEPS, start.learner_steps)
        # It has the counts from which `is_over` follows.
        self._reporters["actor"].send()
        self._actor_rows = [ActorRows(index) for index in range(experiment.num_actors)]
        self._actor_warnings = [
            WarningLog(f"actor-{index}", folder.events) for index in range(experiment.num_actors)
        ]
        self._evaluator_warnings = WarningLog("evaluator-0", folder.events)
        learner_warn = node_warnings.of(folder.events, "learner-0")
        self._fill = Fill(learner_warn)
        self._guard = Guard(self._learner, folder.checkpoints, learner_warn)
        self._saver = Saver(
            self._learner,
            folder.checkpoints,
            experiment.checkpoint_period_s,
            self._counts,
            learner_warn,
        )
        self._learner_rows = LearnerRows(self._learner, self._guard, self._saver)
        self._learner_metrics: Mapping[str, tf.Tensor] = {}
        self._learner_steps, self._actor_steps = start.learner_steps, start.actor_steps
        self._next_evaluation = 0
        self._row_period = max(experiment.steps // _NUM_ROWS, 1)
        self._next_row = self._actor_steps + self._row_period

    @property
    def is_over(self) -> bool:
        return self._reporters["actor"].stop

    def step(self) -> None:
        """One step of each actor, and the gradient steps that this allows."""
        if self._actor_steps >= self._next_evaluation:
            self._evaluate()
        self._act()
        while self._replay.can_sample(self._superbatch_size):
            self._learn()
        if self._actor_steps >= self._next_row:
            self._next_row = self._actor_steps + self._row_period
            self._record()

    def save_if_due(self) -> None:
        if self._saver.is_due and self._guard.may_save:
            self._saver.save()
        if self._replay_saver.is_due:
            self._save_replay()

    def save_last(self) -> None:
        self._saver.save_last()
        if self._replay_saver.is_on:
            self._save_replay()

    def _save_replay(self) -> None:
        replay = self._replay
        self._replay_saver.save(
            inserted=replay.num_inserted,
            sampled=replay.num_sampled,
            transitions=len(replay),
            size=replay.num_bytes,
            fill=replay.save,
        )

    def close(self) -> None:
        for actor in self._actors:
            actor.close()
        self._evaluation_environments.close()

    def _counts(self) -> Counts:
        actor = self._reporters["actor"]
        return Counts(actor_steps=actor.count(ACTOR_STEPS), episodes=actor.count(EPISODES))

    def _act(self) -> None:
        reporter = self._reporters["actor"]
        for actor, rows, warnings in zip(
            self._actors, self._actor_rows, self._actor_warnings, strict=True
        ):
            step = actor.step()
            rows.add(step, parameter_age=0)
            warnings.dropped(step.faults)
            warnings.truncated(len(step.truncated), self._experiment.max_episode_steps)
            reporter.add(ACTOR_STEPS, step.num_transitions)
            reporter.add(EPISODES, len(step.returns))
            self._actor_steps += step.num_transitions
        reporter.send()

    def _learn(self) -> None:
        superbatch = self._replay.sample(self._experiment.steps_per_call)
        self._learner_metrics = self._learner.step(superbatch)
        # The actors act with these very variables.
        self._guard.inspect(superbatch)
        self._learner_steps += self._experiment.steps_per_call
        self._reporters["learner"].set_total(LEARNER_STEPS, self._learner_steps)

    def _record(self) -> None:
        for rows in self._actor_rows:
            self._reporters["actor"].record(rows.take())
        self._fill.see(len(self._replay), self._experiment.config.max_replay_size)
        if self._learner_metrics:
            # Nobody waits in turns.
            row = self._learner_rows.take(self._learner_metrics, 0.0, self._fill.size)
            self._reporters["learner"].record(row)
        for role in ("learner", "actor"):
            self._reporters[role].send()

    def _evaluate(self) -> None:
        experiment, period = self._experiment, self._experiment.steps_between_evaluations
        self._next_evaluation = (self._actor_steps // period + 1) * period
        try:
            result = evaluate(
                self._policy,
                self._evaluation_environments,
                experiment.evaluation_episodes,
                seed=experiment.seed_of("evaluation", self._actor_steps),
                sample=experiment.evaluation_sample,
                should_stop=self._should_stop,
            )
        except EvaluationStopped:
            return
        self._evaluator_warnings.dropped(result.faults)
        self._evaluator_warnings.truncated(result.num_truncated, experiment.max_episode_steps)
        row = evaluation_row(result, self._actor_steps, self._learner_steps)
        self._reporters["evaluator"].record(row)
        self._reporters["evaluator"].send()
