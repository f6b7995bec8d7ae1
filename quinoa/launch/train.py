"""One run from beginning to end: checks, engine, final evaluation, picture, summary."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis import plots
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import Engine
from quinoa.launch.engines.calls import Call, Caller, NotStoppedError, call_here
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import save
from quinoa.launch.machine import temporary_folder
from quinoa.launch.metrics import saved_rows
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.run import scale
from quinoa.launch.run.columns import COLUMNS_OF_WORK, TIME_COLUMNS, WALL_TIME
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.storage.files import write_json
from quinoa.launch.storage.saved_json import parsing_file
from quinoa.launch.terminal.output import say
from quinoa.launch.terminal.progress_bar import ProgressBar
from quinoa.launch.trained.evaluate import evaluate_checkpoint
from quinoa.launch.watch.progress import Progress
from quinoa.launch.watch.run_limits import RunLimits

if TYPE_CHECKING:
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint

FINAL_EPISODES = 10


@dataclasses.dataclass(frozen=True)
class Summary:
    """What came of a run.

    Attributes:
        result: how it ended, with the returns of the final policy if it finished.
        evaluation_error: why there are no such returns, if their evaluation failed; it has been
            interrupted if there is neither.
        learning_curve: the picture's path, if the run went far enough to have one.
    """

    result: RunResult
    evaluation_error: str | None = None
    learning_curve: Path | None = None


class View(Protocol):
    """What shows how a run goes while it lasts."""

    def __enter__(self) -> View:
        """The run starts."""

    def __exit__(self, *error: object) -> None:
        """The engine has come to its end."""

    def show(self, status: Status) -> None:
        """Called often with how far the run is and how it goes."""

    def say(self, text: str) -> None:
        """Something is to be said of the run."""


def train(
    experiment: Experiment,
    folder: RunFolder,
    engine: Engine,
    *,
    resumed_at: int | None = None,
    called_in: Path | None = None,
    view: View | None = None,
    on_start: Callable[[RunFolder, Experiment], object] | None = None,
    call: Call = call_here,
) -> Summary:
    """Runs an experiment that has been validated, in a folder that has been made for it.

    Args:
        experiment: what to run.
        folder: where to.
        engine: what runs it.
        resumed_at: the steps from which the folder's run is resumed; None for a new run. Where they
            are all of them, the engine runs nothing.
        called_in: the folder that the program was called in; by default, that it is in now.
        view: shows how it goes; by default a `Progress` on standard error.
        on_start: called when the folder has become a run's, before anything is started.
        call: calls the final evaluation; by default in this process.

    A first signal ends the run in order; one that comes when the run has ended skips what is left
    of the final evaluation. What follows the run is never cut short otherwise. What a signal does
    is said at once, on standard error.

    Raises:
        ExperimentError: it cannot be run after all. Of a new run whose engine had started nothing
            by then, nothing is left: its folder can be given again.
        RunError: the run is over, and its metrics are damaged.
        OSError: the run is over, and what came of it cannot be written.
    """
    with signals.caught() as stop, contextlib.ExitStack() as ending:
        # First of all, so that `quinoa status` can tell when this process is gone.
        ProcessList(folder)
        save(experiment, folder, resumed_at=resumed_at, called_in=called_in)
        scale.forget(folder)
        if on_start is not None:
            on_start(folder, experiment)
        view = view or Progress(RunLimits.of(experiment))
        saves_replay = bool(experiment.replay_checkpoint_period_s)
        try:
            with _result_written(folder) as run:
                if resumed_at is not None and resumed_at >= experiment.steps:
                    # It ended before it could say that it had.
                    run.result = RunResult(Outcome.FINISHED)
                else:
                    with (
                        view,
                        stop.telling(
                            lambda asked: view.say(asked.about_run(saves_replay=saves_replay))
                        ),
                    ):
                        run.result = _with_cause(engine.run(experiment, folder, view.show))
                if not experiment.config.has_actors:
                    run.measure(folder)
                # From here on a signal loses nothing, and its message says so.
                ending.enter_context(stop.telling(_tell_that_it_is_saved))
                if run.result.outcome is Outcome.FINISHED and experiment.config.has_actors:
                    run.evaluate(experiment, folder, stop, call)
            return Summary(run.result, run.evaluation_error, _draw(experiment, folder, run.result))
        except ExperimentError:
            if resumed_at is None:
                folder.remove_if_not_begun()
            raise


@dataclasses.dataclass
class _Run:
    """What is known so far of a run that ends; see `Summary`."""

    result: RunResult
    evaluation_error: str | None = None

    def measure(self, folder: RunFolder) -> None:
        """Takes over what a learner without actors measured last."""
        cells: dict[str, str] = {}
        with contextlib.suppress(RunError), parsing_file(folder.metrics(Role.LEARNER)):
            for row in saved_rows.last_rows(folder.metrics(Role.LEARNER)):
                cells = dict(row)
        left_out = {*TIME_COLUMNS, *COLUMNS_OF_WORK}
        found = {name: float(cell) for name, cell in cells.items() if cell and name not in left_out}
        if found:
            self.result = dataclasses.replace(self.result, final_metrics=found)

    def evaluate(
        self, experiment: Experiment, folder: RunFolder, stop: signals.StopSignals, call: Call
    ) -> None:
        from quinoa.environments import EnvironmentFault

        try:
            returns = _evaluate_final(experiment, folder, stop, call)
            if returns is not None:
                self.result = dataclasses.replace(self.result, final_returns=returns)
        except (EnvironmentFault, ExperimentError, RunError) as error:
            self.evaluation_error = str(error)


@contextlib.contextmanager
def _result_written(folder: RunFolder) -> Iterator[_Run]:
    """Writes `result.json` at the end of the block, whether the run ended well or by an error."""
    run = _Run(RunResult(Outcome.FAILED))
    try:
        yield run
    except Exception:
        if run.result.outcome is not Outcome.FINISHED:
            run.result = _with_cause(RunResult(Outcome.FAILED, error=traceback.format_exc()))
        raise
    finally:
        with _noted_after_failure(run.result):
            write_json(folder.result, run.result.to_json())


def _draw(experiment: Experiment, folder: RunFolder, result: RunResult) -> Path | None:
    """Draws the learning curve of a run that has metrics; returns the picture's path."""
    curve = None
    title = f"{experiment.agent} on {experiment.task}"
    if not experiment.config.has_actors:
        if folder.metrics(Role.LEARNER).is_file():
            with _noted_after_failure(result):
                curve = plots.plot_learning(folder, title)
    elif any(folder.metrics(role).is_file() for role in (Role.ACTOR, Role.EVALUATOR)):
        with _noted_after_failure(result):
            curve = plots.plot_run(folder, title)
    return curve


def _with_cause(result: RunResult) -> RunResult:
    """Has a failure say last that there is no room for temporary files, where that is so.

    Where TensorFlow cannot write what it makes of Python, it runs that as it is, and what fails
    then says nothing of files.
    """
    if result.outcome is not Outcome.FAILED or (why := temporary_folder.why_unusable()) is None:
        return result
    return dataclasses.replace(result, error=f"{(result.error or '').rstrip()}\n{why}".lstrip())


@contextlib.contextmanager
def _noted_after_failure(result: RunResult) -> Iterator[None]:
    """After a run that failed, has an error be a note only: the run's own is to be seen last."""
    try:
        yield
    except (OSError, RunError) as error:
        if result.outcome is not Outcome.FAILED:
            raise
        say(f"quinoa: note: {error}", sys.stderr)


def _evaluate_final(
    experiment: Experiment, folder: RunFolder, stop: signals.StopSignals, call: Call
) -> list[float] | None:
    """Evaluates the last checkpoint, and adds that to the evaluator's metrics.

    Returns:
        The returns; None if a signal ended it, which is as good an end to a run that has finished
        as any.

    Raises:
        EnvironmentFault: the environment failed.
        ExperimentError: it cannot be made any more, or hangs.
        RunError: the checkpoint is missing or damaged.
    """
    if stop.count:
        return None
    checkpoint = learner_checkpoints.newest(folder.checkpoints)
    try:
        with (
            ProgressBar(FINAL_EPISODES, "episodes of the final evaluation") as progress,
            stop.telling(lambda asked: progress.say(_about_stopped_evaluation(asked))),
            stop.second_interrupts(),
        ):
            final = call(
                "The final evaluation",
                functools.partial(_final_row, experiment, checkpoint),
                caller=Caller(progress.advance, lambda: stop.count > 0),
                on_output=progress.say,
            )
    except (KeyboardInterrupt, NotStoppedError):
        return None
    if final is None:
        return None
    row, returns = final
    log = MetricsLog(folder)
    log.write(Role.EVALUATOR, {WALL_TIME: time.time(), **row})
    log.close()
    return returns


def _final_row(
    experiment: Experiment, checkpoint: Checkpoint, caller: Caller
) -> tuple[dict[str, Any], list[float]] | None:
    """Evaluates a checkpoint; returns a row of metrics and the returns, None if it was stopped."""
    from quinoa.agents.evaluation import EvaluationStopped

    try:
        final = evaluate_checkpoint(
            experiment,
            checkpoint,
            FINAL_EPISODES,
            sample=experiment.evaluation_sample,
            should_stop=caller.should_stop,
            on_episodes=caller.tell,
        )
    except EvaluationStopped:
        return None
    counts = checkpoint.counts()
    row = evaluation_row(final, counts.actor_steps, counts.learner_steps)
    return row, final.returns.tolist()


def _tell_that_it_is_saved(asked: signals.Asked) -> None:
    """Says what there is to know where a run that is over is asked to end."""
    if asked.times == 1:
        say("Stopping: the run is over and saved. What is left takes a moment.", sys.stderr)


def _about_stopped_evaluation(asked: signals.Asked) -> str:
    """What is said where a run that has finished is asked to end."""
    if asked.times > 1:
        return "Ending at once."
    return (
        "Stopping: leaving out the rest of the final evaluation. The run has finished and is "
        f"saved. {asked.again} once more does not wait for the episode's step to end."
    )


def describe(returns: npt.NDArray[np.float64] | Sequence[float]) -> str:
    """Mean and standard deviation of returns, as text."""
    return f"{np.mean(returns):.1f} ± {np.std(returns):.1f}"
