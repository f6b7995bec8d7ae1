"""How often processes of each role were started again, and how long that took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.run import columns
from quinoa.launch.run.budget import Unit
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


class Restarts:
    """Counts restarts since the run was started or resumed, and records them as metrics.

    Each restart gives a row of `restarts` and `seconds_lost`, over all roles and for each role. The
    seconds lost are those from a failure of a process (or the last sign of life of one that hung)
    to the first sign of life of the process that was started in its place.
    """

    def __init__(
        self,
        folder: RunFolder,
        roles: Sequence[str],
        counts: Callable[[], Counts],
        unit: Unit = "actor_steps",
    ):
        """Has counted no restarts yet.

        Args:
            folder: of the run.
            roles: all roles of the run's nodes.
            counts: returns the last known counts of the run.
            unit: of the run's steps.
        """
        self._counts = counts
        self._restarts = dict.fromkeys(roles, 0)
        self._seconds = dict.fromkeys(roles, 0.0)
        self._log = MetricsLog(folder, writer=Role.SUPERVISOR, unit=unit)
        self._rows: list[dict[str, Any]] = []

    @property
    def total(self) -> int:
        """The number of restarts, over all roles."""
        return sum(self._restarts.values())

    @property
    def by_role(self) -> dict[str, int]:
        """The number of restarts of each role that had any."""
        return {role: number for role, number in self._restarts.items() if number}

    @property
    def seconds_lost(self) -> float:
        """The seconds lost, over all roles."""
        return sum(self._seconds.values())

    def add(self, role: str) -> None:
        """Counts a restart."""
        self._restarts[role] += 1

    def add_seconds(self, role: str, seconds: float) -> None:
        """Adds the seconds lost by a restart, once they are known, and writes a row."""
        self._seconds[role] += seconds
        counts = self._counts()
        row: dict[str, Any] = {
            columns.WALL_TIME: time.time(),
            ACTOR_STEPS: counts.actor_steps,
            LEARNER_STEPS: counts.learner_steps,
            columns.RESTARTS: self.total,
            columns.SECONDS_LOST: self.seconds_lost,
        }
        for each in self._restarts:
            row[f"{each}_{columns.RESTARTS}"] = self._restarts[each]
            row[f"{each}_{columns.SECONDS_LOST}"] = self._seconds[each]
        self._rows.append(row)
        self.flush()

    def flush(self) -> None:
        """Tries again to write what a full disk did not take."""
        # Its files are made with the first row, which a disk may refuse.
        with contextlib.suppress(OSError):
            while self._rows:
                self._log.write(Role.SUPERVISOR, self._rows[0])
                del self._rows[0]
            self._log.flush()
