"""Callbacks: what a program is told of a run while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from quinoa.launch.metrics.saved_rows import NewRows
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status

if TYPE_CHECKING:
    from quinoa.run import Run


class Event(NamedTuple):
    """A report or an evaluation of a run, as callbacks get it.

    Attributes:
        kind: `report`, about twice a second, or `evaluation`, whenever one is done.
        actor_steps: actions taken so far; of an evaluation, at its parameters.
        learner_steps: gradient steps so far; likewise.
        values: of a report, what `Run.status` says; of an evaluation, its row of metrics, with
            `episode_return`, `episode_return_std` and `episode_length`.
    """

    kind: str
    actor_steps: int
    learner_steps: int
    values: Mapping[str, Any]


# Returns False to end the run in order; after anything else it continues.
Callback = Callable[["Run", Event], "bool | None"]


class CallbackList:
    """Tells callbacks of a run's reports and evaluations, each evaluation once."""

    def __init__(self, run: Run, callbacks: Sequence[Callback]):
        """Tells of what comes from now on.

        Args:
            run: what callbacks are given.
            callbacks: called in this order.
        """
        self._run = run
        self._callbacks = callbacks
        self._new_rows = NewRows(RunFolder(run.path).metrics(Role.EVALUATOR))
        self._rows()

    def report(self, status: Status) -> bool:
        """Tells of a report and the evaluations before it; returns whether the run continues."""
        continues = self.evaluations()
        counts = status.counts
        event = Event("report", counts.actor_steps, counts.learner_steps, status.to_json())
        return self._tell(event) and continues

    def evaluations(self) -> bool:
        """Tells of the evaluations since the last time; returns whether the run continues."""
        continues = True
        for row in self._rows() if self._callbacks else []:
            steps = int(row[ACTOR_STEPS] or 0), int(row[LEARNER_STEPS] or 0)
            continues &= self._tell(Event("evaluation", *steps, row))
        return continues

    def _tell(self, event: Event) -> bool:
        # Each is told, whatever another one says.
        answers = [callback(self._run, event) for callback in self._callbacks]
        # A comparison of NumPy's numbers is not Python's own False.
        return not any(isinstance(answer, bool | np.bool_) and not answer for answer in answers)

    def _rows(self) -> list[dict[str, float | None]]:
        """The whole rows that were written since the last time."""
        with contextlib.suppress(OSError):  # It is read again at the next report.
            return self._new_rows.read()
        return []
