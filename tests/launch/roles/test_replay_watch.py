from __future__ import annotations

import time

from quinoa.launch.roles.replay_watch import ReplayFill, ReplayWait
from tests.agents.fixtures import make_transitions


class Said:
    def __init__(self):
        self.events = []

    def __call__(self, event, text, **details):
        self.events.append(event)


def slow(waiting, delays):
    """Superbatches that take their time; what waits for them asks now and then, as the real one."""
    for delay in delays:
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline:
            waiting.look()
            time.sleep(0.01)
        yield make_transitions(1, 2)


def test_the_wait_for_each_superbatch_is_measured():
    waiting = ReplayWait(Said())
    for _ in waiting.timed(slow(waiting, (0.1, 0.2))):
        # What the learner does itself does not count.
        time.sleep(0.2)
    assert 0.3 <= waiting.seconds < 0.45


def test_a_long_wait_is_said_once_and_not_before_learning_has_begun():
    said = Said()
    waiting = ReplayWait(said, starved_s=0.1)
    seen = [len(said.events) for _ in waiting.timed(slow(waiting, (0.3, 0.05, 0.3, 0.3)))]
    assert seen == [0, 0, 1, 2]
    assert set(said.events) == {"replay_starved"}


def test_a_full_replay_is_said_once():
    said = Said()
    fill = ReplayFill(said)
    for size in (0, 9, 10, 10, 5, 10):
        fill.see(size, 10)
        assert fill.size == size
    assert said.events == ["replay_full"]
