"""What the learner sees of replay: how long it waits for it, and how full it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

from quinoa.agents.types import Transition
from quinoa.launch.run.node_warnings import Warn

# Seconds that the learner waits for one superbatch before it says so.
STARVED_S = 60.0


class ReplayWait:
    """Measures how long superbatches are waited for.

    Attributes:
        seconds: in all.
    """

    def __init__(self, warn: Warn, *, starved_s: float = STARVED_S):
        """Has measured nothing yet.

        Args:
            warn: is told when one superbatch takes longer than `starved_s`; not before the first,
                which waits until replay has what it must have.
            starved_s: seconds.
        """
        self._warn = warn
        self._starved_s = starved_s
        self._since: float | None = None
        self._has_begun = False
        self._has_warned = False
        self.seconds = 0.0

    def timed(self, superbatches: Iterator[Transition]) -> Iterator[Transition]:
        """Hands on superbatches, and notes how long each one takes to come."""
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
        """Warns if a superbatch has been waited for too long; to be called now and then."""
        if self._since is None or not self._has_begun or self._has_warned:
            return
        waited = time.monotonic() - self._since
        if waited > self._starved_s:
            self._has_warned = True
            self._warn(
                "replay_starved",
                f"the learner has waited for replay for {waited:.0f} s: the actors write too "
                "little, or not at all; see their logs.",
            )


class ReplayFill:
    """How full replay is, and one note when it begins to evict.

    Attributes:
        size: transitions that it holds, None while that is not known.
    """

    def __init__(self, warn: Warn):
        """Knows nothing yet."""
        self._warn = warn
        self._has_warned = False
        self.size: int | None = None

    def see(self, size: int, capacity: int) -> None:
        """Takes how many transitions replay holds, and how many it can hold."""
        self.size = size
        if size >= capacity and not self._has_warned:
            self._has_warned = True
            self._warn(
                "replay_full",
                f"replay holds {size} transitions, all that it may (max_replay_size); from now on "
                "the oldest give way to new ones.",
            )
