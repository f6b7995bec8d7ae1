"""What the tests of the serial engine do not see of the turns that it has roles take."""

from __future__ import annotations

import json

import pytest

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.roles.turns import Turns
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment


def test_what_one_actor_warned_of_is_recorded_where_the_next_one_fails(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    of = experiment(max_episode_steps=1, evaluation_episodes=1)
    counter = Counter(folder, of.budget)
    turns = Turns(of, folder, None, counter.report, should_stop=lambda: True)

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(turns._actors[1], "turn", fail)
    with pytest.raises(ZeroDivisionError):
        turns.take()
    turns.close()
    counter.close()
    (event,) = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert (event["event"], event["node"]) == ("episode_truncated", "actor-0")
