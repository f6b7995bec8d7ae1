"""What an evaluator does: it measures the policy at intervals of actor steps."""

from __future__ import annotations

from collections.abc import Callable

from quinoa.agents.evaluation import EvaluatedPolicy, EvaluationStopped, evaluate
from quinoa.launch.experiment import MAX_EVALUATION_ENVIRONMENTS, Experiment
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.roles.role_warnings import RoleWarnings, UnendedEpisodes
from quinoa.launch.run.roles import Role, node_name


class Evaluating:
    """An evaluator, whose every turn is one evaluation."""

    def __init__(self, experiment: Experiment, policy: EvaluatedPolicy, reporter: Reporter):
        """Makes its environments; the first evaluation is due at once.

        Args:
            experiment: what is run, from where it is to be evaluated: see `Experiment.resumed`.
            policy: that is evaluated, as its parameters are at the time.
            reporter: takes its rows of metrics and its warnings.
        """
        self._experiment = experiment
        self._policy = policy
        self._reporter = reporter
        self._environments = experiment.make_environments(
            min(experiment.evaluation_episodes, MAX_EVALUATION_ENVIRONMENTS), Role.EVALUATOR
        )
        self._warnings = RoleWarnings(node_name(Role.EVALUATOR), reporter.add_event)
        self._due = 0

    def is_due(self, actor_steps: int) -> bool:
        """Whether the actors have passed another multiple of the period since the last turn."""
        return actor_steps >= self._due

    def turn(self, actor_steps: int, learner_steps: int, should_stop: Callable[[], bool]) -> bool:
        """Evaluates the policy, and has a row written of it.

        Args:
            actor_steps: of the run, when the policy's parameters were taken.
            learner_steps: of the same time: those that the parameters come from.
            should_stop: asked at every step; when it is true, the evaluation is given up.

        Returns:
            Whether all its episodes were played.

        Raises:
            EnvironmentFault: see `evaluate`.
            NonFiniteError: see `evaluate`.
        """
        experiment, period = self._experiment, self._experiment.steps_between_evaluations
        self._due = (actor_steps // period + 1) * period
        try:
            result = evaluate(
                self._policy,
                self._environments,
                experiment.evaluation_episodes,
                seed=experiment.seed_of("evaluation", actor_steps),
                sample=experiment.evaluation_sample,
                should_stop=should_stop,
                on_step=UnendedEpisodes(self._warnings, experiment.max_episode_steps),
            )
        except EvaluationStopped:
            return False
        self._warnings.dropped(result.faults)
        self._warnings.truncated(result.num_truncated, experiment.max_episode_steps)
        self._reporter.record(evaluation_row(result, actor_steps, learner_steps))
        return True

    def close(self) -> None:
        """Closes its environments."""
        self._environments.close()
