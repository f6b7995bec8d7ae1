"""The rates of a run, from its counts over the last seconds."""

from __future__ import annotations

import collections
import time

from quinoa.launch.metrics import tensorboard_names
from quinoa.launch.run.status import Rates

# Rates are means over at least this many seconds and this many calls of the learner, which makes
# many steps in a call; but over no more than the last number of seconds.
_WINDOW_S = 15.0
_WINDOW_CALLS = 10
_MAX_WINDOW_S = 300.0


class RateMeter:
    """Measures the rates of a run from its counts, which it is given again and again."""

    def __init__(self) -> None:
        """Has no counts yet."""
        self._seen: collections.deque[tuple[float, int, int]] = collections.deque()
        # When the count of gradient steps was last seen to have changed.
        self._calls: collections.deque[float] = collections.deque(maxlen=_WINDOW_CALLS)

    def add(self, actor_steps: int, learner_steps: int) -> None:
        """Adds the counts as they are now."""
        now = time.monotonic()
        if self._seen and learner_steps < self._seen[-1][2]:
            # The learner was restored from a checkpoint.
            self._seen.clear()
        if self._seen and learner_steps != self._seen[-1][2]:
            self._calls.append(now)
        self._seen.append((now, actor_steps, learner_steps))
        while len(self._seen) > 2 and self._is_enough(now, self._seen[1][0]):
            self._seen.popleft()

    def _is_enough(self, now: float, since: float) -> bool:
        """Whether the counts from then on are enough to measure the rates by."""
        seconds = now - since
        if seconds < _WINDOW_S:
            return False
        is_old = seconds >= _MAX_WINDOW_S
        has_calls = len(self._calls) == _WINDOW_CALLS and self._calls[0] > since
        return is_old or has_calls or not self._calls

    def rates(self) -> Rates:
        """The rates over the last seconds; one is None where there is nothing yet to tell it by."""
        if not self._seen:
            return Rates()
        then, actor_then, learner_then = self._seen[0]
        now, actor_now, learner_now = self._seen[-1]
        seconds, actor, learner = now - then, actor_now - actor_then, learner_now - learner_then
        return Rates(
            actor_steps_per_second=actor / seconds if seconds else None,
            learner_steps_per_second=learner / seconds if seconds else None,
            updates_per_step=learner / actor if actor > 0 else None,
        )


def scalars_of(rates: Rates) -> dict[str, float]:
    """The rates that TensorBoard shows of a run, by tag, where they are known."""
    tagged = {
        tensorboard_names.ACTING_RATE: rates.actor_steps_per_second,
        tensorboard_names.UPDATES_PER_STEP: rates.updates_per_step,
    }
    return {tag: value for tag, value in tagged.items() if value is not None}
