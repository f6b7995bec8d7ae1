"""A run that a program trains: started, followed, and waited for."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.callbacks import Callback, CallbackList
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.running import hosted_run
from quinoa.launch.engines import signals
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.machine.child_process import ChildError, ChildProcess
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.status import Status
from quinoa.launch.storage.files import read_json
from quinoa.launch.terminal.output import say
from quinoa.launch.watch.progress import Progress
from quinoa.launch.watch.run_limits import RunLimits

if TYPE_CHECKING:
    from quinoa.environments.source import EnvironmentSource
    from quinoa.launch.experiment import Experiment as Resolved
    from quinoa.launch.run.run_folder import RunFolder
    from quinoa.run import Run

_POLL_S = 0.2


class TrainingError(RunError):
    """A run has failed; what it has learned so far is in its folder.

    Attributes:
        run: the run; None where it failed before it had a folder, and where the error comes from
            another process.
    """

    def __init__(self, message: str, run: Run | None):
        """Takes what went wrong, and the run."""
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        """How pickle makes it again, as for a pool of processes: a run stays in its own."""
        return type(self), (str(self), None)


@dataclasses.dataclass
class Session:
    """One call of `quinoa.train` or `quinoa.resume`.

    Attributes:
        texts: flags of `quinoa train`, as they would be typed.
        environment: what was given as an environment; None is what the flags say.
        callbacks: told of the run, in the thread that follows it.
        progress: whether to show on standard error how it goes.
        in_this_process: whether the engine runs in this process, not in others.
        make_run: makes the `Run` of a folder.
        run: the run, once it has begun.
    """

    texts: Sequence[str]
    environment: EnvironmentSource | None
    callbacks: Sequence[Callback]
    progress: bool
    in_this_process: bool
    make_run: Callable[[Path], Run]
    run: Run | None = None

    def __post_init__(self) -> None:
        """Starts nothing yet."""
        self._has_begun = threading.Event()
        self._is_over = threading.Event()
        self._asked = 0
        self._asking = threading.Lock()
        self._stop: signals.StopSignals | None = None
        self._error: BaseException | None = None
        self._callback_list: CallbackList | None = None
        # The fields of the run's experiment, as its folder has them; none before it has begun.
        self._experiment: Mapping[str, Any] = {}

    def start(self, *, wait: bool) -> Run:
        """Starts the run; returns it when it has passed all checks, or with `wait` when it is over.

        Raises:
            ExperimentError: it cannot be run as it is described; nothing is left of it.
            TrainingError: with `wait`, the run has failed.
        """
        if wait:
            self._follow()
            return self.wait()
        threading.Thread(target=self._follow, name="quinoa-run").start()
        threading.Thread(target=self._end_with_program, name="quinoa-exit", daemon=True).start()
        try:
            self._has_begun.wait()
        except BaseException:  # Ctrl-C; nobody would have the run.
            self.stop()
            raise
        if self.run is None:
            return self.wait()
        return self.run

    def stop(self) -> None:
        """Asks the run to end in order; a second time, at once."""
        with self._asking:
            self._asked += 1
            if self._stop is not None:
                self._stop.ask()

    def wait(self, timeout_s: float | None = None) -> Run:
        """Waits until the run is over, and returns it.

        Raises:
            TimeoutError: it is still running after that many seconds.
            TrainingError: it has failed.
        """
        if not self._is_over.wait(timeout_s):
            raise TimeoutError(f"The run is still running after {timeout_s} s.")
        if self._error is not None:
            raise self._error
        assert self.run is not None
        return self.run

    def _follow(self) -> None:
        """Runs it to its end in this thread, or follows the process that does."""
        try:
            with signals.caught() as stop:
                with self._asking:
                    self._stop = stop
                    # Asked before there was anything to ask.
                    for _ in range(self._asked):
                        stop.ask()
                if self.in_this_process:
                    self._run_here()
                else:
                    self._run_hosted(stop)
            if self._callback_list is not None and self._error is None:
                self._callback_list.evaluations()
        except BaseException as error:
            self._error = self._error or error
        finally:
            self._is_over.set()
            self._has_begun.set()

    def _end_with_program(self) -> None:
        """Ends the run in order when Ctrl-C has ended the program, which then waits for it."""
        while threading.main_thread().is_alive():
            if self._is_over.wait(_POLL_S):
                return
        if getattr(sys, "last_type", None) is KeyboardInterrupt:
            say(self._about_stop(signals.Asked(1, signals.CTRL_C)), sys.stderr)
            self.stop()

    def _about_stop(self, asked: signals.Asked) -> str:
        """What is said where the run is asked to end."""
        return asked.about_run(
            saves_replay=bool(self._experiment.get("replay_checkpoint_period_s"))
        )

    def _begin(self, root: str | os.PathLike[str]) -> None:
        run = self.make_run(Path(root).absolute())
        # First, as what is said of a run that has begun depends on it.
        self._experiment = read_json(run.folder.experiment)["experiment"]
        self.run = run
        self._callback_list = CallbackList(self.run, self.callbacks)
        self._has_begun.set()

    def _run_here(self) -> None:
        from quinoa.launch.machine import embedded_tensorflow

        embedded_tensorflow.import_tensorflow()
        from quinoa.launch.commands.running import one_run

        view = _View(self)

        def begin(folder: RunFolder, experiment: Resolved) -> None:
            self._begin(folder.root)
            view.begin(RunLimits.of(experiment))

        try:
            _, summary = one_run.run(
                hosted_run.parsed(self.texts),
                dict(os.environ),
                environment=self.environment,
                on_start=begin,
                view=view,
            )
        except UsageError as error:
            raise ExperimentError(str(error)) from error
        self._check_evaluated(summary.evaluation_error)

    def _run_hosted(self, stop: signals.StopSignals) -> None:
        try:
            hosted = ChildProcess(hosted_run.run, list(self.texts), self.environment)
        except TypeError as error:
            raise ExperimentError(
                f"The environment cannot be sent to the processes of the local engine ({error}): "
                "give a function or class that makes it, env=lambda seed: ..., or "
                "engine='serial', which has one process."
            ) from None
        view = _View(self)
        relay = _StopRelay(hosted)

        def say_and_relay(asked: signals.Asked) -> None:
            if self.run is not None:
                view.say(self._about_stop(asked))
            # At once: this thread may be in the midst of a callback.
            relay(asked.times)

        try:
            with view, stop.telling(say_and_relay):
                while not hosted.is_over:
                    self._take(hosted.read(_POLL_S), view)
                    relay(stop.count)
            ended = hosted.value()
        except ChildError as error:
            if self.run is None and stop.count:
                raise KeyboardInterrupt("The run was stopped before it had begun.") from None
            raise TrainingError(str(error), self.run) from None
        finally:
            if not hosted.is_over:
                hosted.kill()
        result = RunResult.from_json(ended["result"])
        if result.outcome is Outcome.FAILED:
            what = result.failed_node or "The run"
            raise TrainingError(f"{what} failed:\n{result.error}", self.run)
        self._check_evaluated(ended["evaluation_error"])

    def _take(self, events: Sequence[tuple[str, Any]], view: _View) -> None:
        """Takes what the process of the run has told."""
        newest = None
        for event, value in events:
            if event == hosted_run.STARTED:
                self._begin(value)
                view.begin(RunLimits.from_json(self._experiment))
            elif event == hosted_run.STATUS:
                newest = Status.from_json(value)
            else:
                view.say(value)
        # Several have come while a callback was at something that takes long.
        if newest is not None:
            view.show(newest)

    def _check_evaluated(self, error: str | None) -> None:
        if error is not None:
            raise TrainingError(f"The final evaluation failed: {error}", self.run)

    def _tell(self, status: Status) -> None:
        """Tells callbacks; what they raise ends the run in order, and is raised when it is over."""
        if self._callback_list is None or self._error is not None:
            return
        assert self._stop is not None
        try:
            # The serial engine sees to that itself.
            with (
                contextlib.nullcontext() if self.in_this_process else self._stop.second_interrupts()
            ):
                continues = self._callback_list.report(status)
        except KeyboardInterrupt:
            if self.in_this_process or self._stop.count < 2:
                raise
            # A user who has asked twice should not have to interrupt the next callback too.
            self._callback_list = None
            return
        except BaseException as error:
            self._error, continues = error, False
        if not continues and not self._asked:
            self.stop()


class _StopRelay:
    """Asks the process of a run to stop, as often as the program was asked, twice at most.

    Any thread may call it, again and again: each call asks once, for two signals of a kind at the
    same time may arrive as one.
    """

    def __init__(self, hosted: ChildProcess):
        self._hosted = hosted
        self._told = 0
        self._lock = threading.Lock()

    def __call__(self, times: int) -> None:
        with self._lock:
            if self._told < min(times, 2):
                self._told += 1
                self._hosted.stop()


class _View:
    """Shows how the run goes, where that is wanted, and has callbacks told."""

    def __init__(self, session: Session):
        self._session = session
        self._progress: Progress | None = None
        self._holding = contextlib.ExitStack()

    def begin(self, limits: RunLimits) -> None:
        """The run has begun."""
        if self._session.progress:
            self._progress = self._holding.enter_context(Progress(limits))

    def __enter__(self) -> _View:
        return self

    def __exit__(self, *error: object) -> None:
        del error
        self._holding.close()

    def show(self, status: Status) -> None:
        if self._progress is not None:
            self._progress.show(status)
        self._session._tell(status)

    def say(self, text: str) -> None:
        if self._progress is not None:
            self._progress.say(text)
        else:
            say(text, sys.stderr)
