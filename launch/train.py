"""One run from beginning to end: checks, engine, final evaluation, picture, summary."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from launch import checkpoints, plotting
from launch.counter import ACTOR_STEPS, LEARNER_STEPS
from launch.engines import signals
from launch.engines.base import Engine, Outcome, RunResult
from launch.evaluate import evaluate_checkpoint
from launch.experiment import Experiment
from launch.files import write_json
from launch.metrics import MetricsLog
from launch.progress import Progress
from launch.rows import evaluation_row
from launch.run_folder import RunFolder

if TYPE_CHECKING:
    from agents.evaluation import EvaluationResult

FINAL_EPISODES = 10


@dataclasses.dataclass(frozen=True)
class Summary:
    """What came of a run.

    Attributes:
        result: how it ended.
        final: the evaluation of the final policy, of a run that finished.
        learning_curve: the picture's path, if the run went far enough to have one.
    """

    result: RunResult
    final: EvaluationResult | None = None
    learning_curve: Path | None = None


def train(experiment: Experiment, folder: RunFolder, engine: Engine) -> Summary:
    """Runs an experiment that has been validated, in a folder that has been made for it."""
    experiment.save(folder)
    final, result = None, RunResult(Outcome.FAILED)
    try:
        with Progress(experiment.steps) as progress:
            result = engine.run(experiment, folder, progress.show)
        if result.outcome is Outcome.FINISHED:
            final = _evaluate_final(experiment, folder)
    finally:
        ended = {
            "outcome": result.outcome.value,
            "failed_node": result.failed_node,
            "error": result.error,
            "final_returns": None if final is None else final.returns.tolist(),
        }
        write_json(folder.result, ended)
    curve = None
    if folder.metrics("actor").is_file():
        curve = plotting.plot_run(folder, f"{experiment.agent} on {experiment.environment}")
    return Summary(result, final, curve)


def _evaluate_final(experiment: Experiment, folder: RunFolder) -> EvaluationResult | None:
    """Evaluates the last checkpoint, and adds that to the evaluator's metrics.

    Returns:
        None if a signal ended it, which is as good an end to a run that has finished as any.
    """
    from agents.evaluation import EvaluationStopped

    checkpoint = checkpoints.newest(folder.checkpoints)
    with signals.caught() as stop:
        try:
            final = evaluate_checkpoint(
                experiment, checkpoint, FINAL_EPISODES, should_stop=lambda: stop.count > 0
            )
        except EvaluationStopped:
            return None
    counts = checkpoint.counts()
    row = evaluation_row(final, counts[ACTOR_STEPS], counts[LEARNER_STEPS])
    log = MetricsLog(folder)
    log.write("evaluator", {"wall_time": time.time(), **row})
    log.close()
    return final


def describe(returns: np.ndarray) -> str:
    """Mean and standard deviation of returns, as text."""
    return f"{returns.mean():.1f} ± {returns.std():.1f}"
