from __future__ import annotations

import time

import numpy as np
import reverb

from quinoa.agents.replay import TABLE
from quinoa.launch.nodes.replay import make_tables
from quinoa.launch.roles.replay_watch import Fill, TableWatch, Waiting
from tests.agents.fixtures import make_transitions
from tests.launch.helpers import experiment, wait_until


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
    waiting = Waiting(Said())
    for _ in waiting.timed(slow(waiting, (0.1, 0.2))):
        # What the learner does itself does not count.
        time.sleep(0.2)
    assert 0.3 <= waiting.seconds < 0.45


def test_a_long_wait_is_said_once_and_not_before_learning_has_begun():
    said = Said()
    waiting = Waiting(said, starved_s=0.1)
    seen = [len(said.events) for _ in waiting.timed(slow(waiting, (0.3, 0.05, 0.3, 0.3)))]
    assert seen == [0, 0, 1, 2]
    assert set(said.events) == {"replay_starved"}


def test_a_full_replay_is_said_once():
    said = Said()
    fill = Fill(said)
    for size in (0, 9, 10, 10, 5, 10):
        fill.see(size, 10)
        assert fill.size == size
    assert said.events == ["replay_full"]


def test_the_table_of_a_server_is_watched_and_its_absence_noticed(monkeypatch):
    from quinoa.launch.roles import replay_watch

    monkeypatch.setattr(replay_watch, "_PERIOD_S", 0.05)
    monkeypatch.setattr(replay_watch, "_TIMEOUT_S", 1)
    of = experiment()
    (table,) = make_tables(of)
    server = reverb.Server([table])
    client = reverb.Client(f"localhost:{server.port}")
    fill = Fill(Said())
    watch = TableWatch(client, of.config.segment_length, fill)
    try:
        assert wait_until(lambda: fill.size == 0, 30)
        shape = table.info.signature.shape
        client.insert(np.zeros(shape, np.float32), {TABLE: 1.0})
        assert wait_until(lambda: fill.size == of.config.segment_length, 30)
        server.stop()
        assert wait_until(lambda: fill.size is None, 30)
    finally:
        watch.close()
    # `close` does not wait for a look at a server that is gone.
    assert wait_until(lambda: not watch._thread.is_alive(), 30)
