"""What the learner sees of replay: how long it waits for it, and how full it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

from quinoa.agents.types import Transition
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.node_warnings import Warn

# Seconds of waiting for one superbatch after which there is a warning.
STARVED_S = 60.0


class ReplayWait:
    """Measures how long the learner waits for superbatches.

    Attributes:
        seconds: the time that it has waited in total.
    """

    def __init__(self, warn: Warn, *, starved_s: float = STARVED_S):
        """Begins at 0 s.

        Args:
            warn: receives a warning when one superbatch takes longer than `starved_s`. The first
                one may take longer: it waits until replay has its minimum size.
            starved_s: seconds.
        """
        self._warn = warn
        self._starved_s = starved_s
        self._since: float | None = None
        self._has_begun = False
        self._has_warned = False
        self.seconds = 0.0

    def timed(self, superbatches: Iterator[Transition]) -> Iterator[Transition]:
        """Yields the same superbatches, and measures how long each one takes to come."""
        while True:
            self._since, self._has_warned = time.monotonic(), False
            try:
                superbatch = next(superbatches, None)
            finally:
                self.seconds += time.monotonic() - self._since
                self._since = None
            if superbatch is None:
                return
            self._has_begun = True
            yield superbatch

    def look(self) -> None:
        """Warns if the present wait is too long; to be called now and then while waiting."""
        if self._since is None or not self._has_begun or self._has_warned:
            return
        waited = time.monotonic() - self._since
        if waited > self._starved_s:
            self._has_warned = True
            self._warn(
                EventKind.REPLAY_STARVED,
                f"the learner has waited for replay for {waited:.0f} s: the actors write too "
                "little, or not at all; see their logs.",
            )


class ReplayFill:
    """How full replay is, with one warning when it begins to evict.

    Attributes:
        size: the number of transitions in it, None while that is not known.
    """

    def __init__(self, warn: Warn):
        """Takes what receives the warning; the size is not known yet."""
        self._warn = warn
        self._has_warned = False
        self.size: int | None = None

    def see(self, size: int, capacity: int | None) -> None:
        """Takes the number of transitions in replay, and that at which it evicts; None if never."""
        self.size = size
        if capacity is not None and size >= capacity and not self._has_warned:
            self._has_warned = True
            self._warn(
                EventKind.REPLAY_FULL,
                f"replay holds {size} transitions, all that it may (max_replay_size); from now on "
                "the oldest give way to new ones.",
            )
