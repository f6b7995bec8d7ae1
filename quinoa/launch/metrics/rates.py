"""How fast a run goes, by its counts over the last seconds."""

from __future__ import annotations

import collections
import time
from collections.abc import Mapping
from typing import Any

from quinoa.launch.metrics import tensorboard_names

# Rates are means over at least so many seconds, and so many calls of the learner, whose steps come
# many at a time; but over no more than so many seconds.
_WINDOW_S = 15.0
_WINDOW_CALLS = 10
_MAX_WINDOW_S = 300.0


class Pace:
    """Knows a run's counts of the last seconds."""

    def __init__(self) -> None:
        """Has seen nothing yet."""
        self._seen: collections.deque[tuple[float, int, int]] = collections.deque()
        # When the learner was last seen to have got on.
        self._calls: collections.deque[float] = collections.deque(maxlen=_WINDOW_CALLS)

    def see(self, actor_steps: int, learner_steps: int) -> None:
        """Takes the counts as they are now."""
        now = time.monotonic()
        if self._seen and learner_steps < self._seen[-1][2]:
            # The learner went back to a checkpoint.
            self._seen.clear()
        if self._seen and learner_steps != self._seen[-1][2]:
            self._calls.append(now)
        self._seen.append((now, actor_steps, learner_steps))
        while len(self._seen) > 2 and self._is_enough(now, self._seen[1][0]):
            self._seen.popleft()

    def _is_enough(self, now: float, since: float) -> bool:
        """Whether what was seen from then on will do."""
        seconds = now - since
        if seconds < _WINDOW_S:
            return False
        is_old = seconds >= _MAX_WINDOW_S
        has_calls = len(self._calls) == _WINDOW_CALLS and self._calls[0] > since
        return is_old or has_calls or not self._calls

    def rates(self) -> dict[str, Any]:
        """What there was of each in a second, and of one for the other.

        Returns:
            `actor_steps_per_second`, `learner_steps_per_second`, and `updates_per_step`: gradient
            steps for each actor step. None where there is nothing yet to tell it from.
        """
        seconds = actor = learner = 0.0
        if self._seen:
            (then, actor_then, learner_then), (now, actor_now, learner_now) = (
                self._seen[0],
                self._seen[-1],
            )
            seconds, actor, learner = now - then, actor_now - actor_then, learner_now - learner_then
        return {
            "actor_steps_per_second": actor / seconds if seconds else None,
            "learner_steps_per_second": learner / seconds if seconds else None,
            "updates_per_step": learner / actor if actor > 0 else None,
        }


def scalars_of(rates: Mapping[str, float | None]) -> dict[str, float]:
    """`Pace.rates` by the tags that they have in TensorBoard, where they are known."""
    tagged = {
        tensorboard_names.ACTING_RATE: rates["actor_steps_per_second"],
        tensorboard_names.UPDATES_PER_STEP: rates["updates_per_step"],
    }
    return {tag: value for tag, value in tagged.items() if value is not None}
