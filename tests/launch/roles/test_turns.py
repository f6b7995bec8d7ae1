"""What the tests of the serial engine do not see of the turns that it has roles take."""

from __future__ import annotations

import dataclasses
import json

import pytest

from quinoa.config import parsing
from quinoa.launch.checkpoints import replay_checkpoints
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


@pytest.mark.parametrize("n_step", [1, 5])
def test_the_last_replay_has_every_transition_those_under_way_too(tmp_path, n_step):
    folder = RunFolder(tmp_path)
    of = experiment(steps=80, evaluation_episodes=1)
    config = parsing.override(of.agent_config, {"n_step": str(n_step)})
    of = dataclasses.replace(of, agent_config=config)
    counter = Counter(folder, of.budget)
    turns = Turns(of, folder, None, counter.report, should_stop=lambda: True)
    while not turns.is_over:
        turns.take()
    turns.save_last()
    counts = counter.status().counts
    turns.close()
    counter.close()
    saved = replay_checkpoints.newest_whole(folder)[0]
    assert saved is not None
    assert saved.transitions == counts.actor_steps == 80
    memory = of.make_source().memory(0)
    memory.restore(saved.path)
    assert len(memory) == 80
