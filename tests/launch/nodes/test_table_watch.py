from __future__ import annotations

import numpy as np
import reverb

from quinoa.agents.replay import TABLE
from quinoa.launch.nodes import table_watch
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.nodes.table_watch import TableWatch
from quinoa.launch.roles.replay_watch import ReplayFill
from quinoa.launch.run.roles import Role
from tests.launch.helpers import experiment, wait_until


def test_the_table_of_a_server_is_watched_and_its_absence_noticed(monkeypatch):
    monkeypatch.setattr(table_watch, "_PERIOD_S", 0.05)
    monkeypatch.setattr(table_watch, "_TIMEOUT_S", 1)
    of = experiment()
    source = of.make_source()
    (table,) = source.tables()
    server = reverb.Server([table])
    client = reverb.Client(f"localhost:{server.port}")
    fill = ReplayFill(lambda event, text, **details: None)
    replay = ReplayPeer(FixedAddresses({Role.REPLAY: client.server_address}))
    watch = TableWatch(replay, source, fill)
    try:
        assert wait_until(lambda: fill.size == 0, 30)
        shape = table.info.signature.shape
        client.insert(np.zeros(shape, np.float32), {TABLE: 1.0})
        assert wait_until(lambda: fill.size == source.segment_length, 30)
        server.stop()
        assert wait_until(lambda: fill.size is None, 30)
    finally:
        watch.close()
    # `close` does not wait for a look at a server that is gone.
    assert wait_until(lambda: not watch._thread.is_alive(), 30)
