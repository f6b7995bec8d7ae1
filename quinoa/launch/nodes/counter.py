"""The counter as a process: every other one reports to it."""

from __future__ import annotations

import threading

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes import heartbeat
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one writing of the run's status to the next.
_PERIOD_S = 0.5


class CounterNode(Counter):
    """Serves `report` and `status`, and keeps the run's files up to date."""

    def __init__(self, folder: RunFolder, budget: Budget, start: Counts, stop: threading.Event):
        """See `Counter`; `stop` ends `run`."""
        super().__init__(folder, budget, start)
        self._stop_event = stop

    def run(self) -> None:
        """Writes status and metrics twice a second, until it is told to stop."""
        while not self._stop_event.wait(_PERIOD_S):
            self.save()
            heartbeat.beat()
        self.close()
