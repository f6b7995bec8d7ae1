"""How often each role of a run had to be started again, and for how long it was missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


class Restarts:
    """Counts restarts since the run was started or resumed, and records them as metrics.

    A row for each: `restarts` and `seconds_lost` over all roles, and for each role, where a role's
    seconds are those from a failure of one of its processes (or the last sign of life of one that
    hung) to the first sign of life of the one in its place.
    """

    def __init__(self, folder: RunFolder, roles: Sequence[str], counts: Callable[[], Counts]):
        """Nothing yet.

        Args:
            folder: of the run.
            roles: all that there are.
            counts: the run's counts as last known.
        """
        self._counts = counts
        self._restarts = dict.fromkeys(roles, 0)
        self._seconds = dict.fromkeys(roles, 0.0)
        self._log = MetricsLog(folder, writer=Role.SUPERVISOR)

    @property
    def total(self) -> int:
        """Restarts of all roles."""
        return sum(self._restarts.values())

    @property
    def by_role(self) -> dict[str, int]:
        """Restarts of each role that had any."""
        return {role: number for role, number in self._restarts.items() if number}

    @property
    def seconds_lost(self) -> float:
        """Of all roles."""
        return sum(self._seconds.values())

    def add(self, role: str) -> None:
        """Counts a restart."""
        self._restarts[role] += 1

    def add_seconds(self, role: str, seconds: float) -> None:
        """Counts what was lost by a restart that is done, and writes a row."""
        self._seconds[role] += seconds
        counts = self._counts()
        row: dict[str, Any] = {
            "wall_time": time.time(),
            ACTOR_STEPS: counts.actor_steps,
            LEARNER_STEPS: counts.learner_steps,
            "restarts": self.total,
            "seconds_lost": self.seconds_lost,
        }
        for each in self._restarts:
            row[f"{each}_restarts"] = self._restarts[each]
            row[f"{each}_seconds_lost"] = self._seconds[each]
        self._log.write(Role.SUPERVISOR, row)
        self._log.flush()

    def flush(self) -> None:
        """Tries again to write what a full disk did not take."""
        self._log.flush()
