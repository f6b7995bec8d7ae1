from __future__ import annotations

import threading

import pandas as pd
import pytest
import reverb

from agents import registry
from agents.learner import flatten
from launch.counter import ACTOR_STEPS, Counter
from launch.nodes import TOLD_TO_STOP
from launch.nodes import actor as actor_module
from launch.nodes.actor import ActorNode
from launch.nodes.replay import make_tables
from launch.run_folder import RunFolder
from tests.launch.helpers import experiment


class Stop(threading.Event):
    """Is set after so many looks at it."""

    def __init__(self, looks: int):
        super().__init__()
        self._left = looks

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_its_last_row_is_written_too(tmp_path, monkeypatch):
    monkeypatch.setattr(actor_module, "_REPORT_S", 1e6)
    of = experiment()
    policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
    parameters = flatten(policy)
    server = reverb.Server(make_tables(of))
    counter = Counter(RunFolder(tmp_path), steps=10**6)
    try:
        node = ActorNode(
            of,
            1,
            reverb.Client(f"localhost:{server.port}"),
            lambda known: (0, parameters) if known < 0 else None,
            counter.report,
            Stop(60),
        )
        with pytest.raises(SystemExit) as ended:
            node.run()
        # It was told to stop, and the run was not over.
        assert ended.value.code == TOLD_TO_STOP
    finally:
        counter.close()
        server.stop()
    assert counter.status()[ACTOR_STEPS] >= 40
    table = pd.read_csv(RunFolder(tmp_path).metrics("actor"))
    assert table["actor"].tolist() == [1]
    # Episodes of 10 steps in 4 environments.
    assert table["episodes"].sum() == counter.status()[ACTOR_STEPS] // 40 * 4
