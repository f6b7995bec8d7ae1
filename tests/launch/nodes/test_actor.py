from __future__ import annotations

import json
import threading

import pandas as pd
import pytest
import reverb

from quinoa.agents import registry
from quinoa.agents.parameter_vector import flatten
from quinoa.launch.errors import FatalError
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes import acting_plan
from quinoa.launch.nodes import actor as actor_module
from quinoa.launch.nodes.actor import ActorNode
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.exit_codes import TOLD_TO_STOP
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import LEARNER_STEPS
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment
from tests.launch.reports import report

FACTORIES = "tests.launch.factories"


class Stop(threading.Event):
    """Is set after so many looks at it."""

    def __init__(self, looks: int):
        super().__init__()
        self._left = looks

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.fixture
def act(tmp_path):
    """Runs an actor that is told to stop after so many looks; returns its rows and events."""

    def run(of, looks=60, version=0, **counts):
        policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
        parameters = flatten(policy)
        folder = RunFolder(tmp_path)
        server = reverb.Server(of.make_source().tables())
        counter = Counter(folder, Budget(10**6))
        report(counter, "learner", "learner", **counts)
        node = ActorNode(
            of,
            1,
            ReplayPeer(FixedAddresses({Role.REPLAY: f"localhost:{server.port}"})),
            lambda known: (version, parameters) if known < 0 else None,
            lambda: acting_plan.encoded(policy, of.make_source()),
            counter.report,
            Stop(looks),
        )
        try:
            with pytest.raises(SystemExit) as ended:
                node.run()
            # It was told to stop, and the run was not over.
            assert ended.value.code == TOLD_TO_STOP
        finally:
            counter.close()
            server.stop()
        events = []
        if folder.events.is_file():
            events = [json.loads(line) for line in folder.events.read_text().splitlines()]
        return pd.read_csv(folder.metrics("actor")), events, counter.status()

    return run


def test_its_last_row_is_written_too(act, monkeypatch):
    monkeypatch.setattr(actor_module, "_REPORT_S", 1e6)
    table, events, status = act(experiment())
    assert status.counts.actor_steps >= 40
    assert table["actor"].tolist() == [1]
    # Episodes of 10 steps in 4 environments.
    assert table["episodes"].sum() == status.counts.actor_steps // 40 * 4
    for column in ("dropped_episodes", "truncated_episodes", "stale_steps"):
        assert table[column].tolist() == [0]
    assert events == []


def test_what_breaks_now_and_then_is_counted_and_warned_of(act, capfd):
    of = experiment(environment=f"{FACTORIES}:fails_now_and_then", samples_per_insert=0.0)
    table, events, status = act(of, 400)
    # Each of 4 environments fails every 255 steps or so.
    dropped = table["dropped_episodes"].sum()
    assert dropped >= 4
    assert {event["event"] for event in events} == {"episode_dropped"}
    assert len(events) == min(dropped, 10)
    assert {event["node"] for event in events} == {"actor-1"}
    assert [event["count"] for event in events] == list(range(1, len(events) + 1))
    assert {event["kind"] for event in events} == {"raised"}
    assert "ZeroDivisionError: the environment's own error" in events[0]["text"]
    err = capfd.readouterr().err
    assert err.count("quinoa: note: actor-1: an episode was dropped, the others continue") == len(
        events
    )
    # The steps that broke are not counted, as they are not written.
    assert status.counts.actor_steps % 4 == -dropped % 4
    assert table["episodes"].sum() == status.counts.episodes


def test_one_that_fails_always_ends_the_run(act):
    with pytest.raises(FatalError, match=r"fails too often: 11 of the last .*own error"):
        act(experiment(environment=f"{FACTORIES}:fails_in_its_first_episode"))


def test_episodes_that_are_cut_off_are_counted_and_warned_of_once(act):
    table, events, _ = act(experiment(max_episode_steps=3))
    assert table["truncated_episodes"].sum() == table["episodes"].sum() >= 8
    assert table["episode_length"].dropna().eq(3).all()
    (event,) = events
    assert event["event"] == "episode_truncated"
    assert "after 3 actions" in event["text"]
    assert "--max_episode_steps" in event["text"]


@pytest.mark.parametrize(("version", "is_stale"), [(500, True), (900, False)])
def test_old_parameters_are_counted_and_warned_of(act, version, is_stale):
    table, events, status = act(
        experiment(max_parameter_age=100), version=version, **{LEARNER_STEPS: 1000}
    )
    assert table["parameter_age"].iloc[-1] == 1000 - version
    assert table["stale_steps"].sum() == (status.counts.actor_steps if is_stale else 0)
    assert [event["event"] for event in events] == ["parameters_old"] * is_stale
    assert all(event["age"] == 500 for event in events)
