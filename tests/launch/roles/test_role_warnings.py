from __future__ import annotations

import json
import re

import pytest

from quinoa.environments import EnvironmentFault, FaultKind
from quinoa.launch.roles.role_warnings import WarningLog


@pytest.fixture
def events(tmp_path):
    return tmp_path / "events.jsonl"


def lines(events):
    return [json.loads(line) for line in events.read_text().splitlines()]


def test_a_warning_is_said_and_recorded(events, capsys):
    WarningLog("actor-3", events).dropped([EnvironmentFault("it broke", FaultKind.SPEC)])
    assert capsys.readouterr().err == (
        "quinoa: note: actor-3: an episode was dropped, the others go on: it broke.\n"
    )
    (line,) = lines(events)
    assert line.pop("wall_time") > 1e9
    assert line == {
        "event": "episode_dropped",
        "node": "actor-3",
        "kind": "spec",
        "count": 1,
        "text": "an episode was dropped, the others go on: it broke.",
    }


def test_the_first_ones_are_said_and_then_one_in_a_hundred(events, capsys):
    log = WarningLog("actor-0", events)
    for number in range(350):
        log.dropped([EnvironmentFault(f"fault {number + 1}")])
    said = [*range(1, 11), 100, 200, 300]
    assert [line["count"] for line in lines(events)] == said
    for number, line in zip(said, lines(events), strict=True):
        assert re.search(rf"fault {number}\b", line["text"])
    assert capsys.readouterr().err.splitlines()[-1].endswith("fault 300 (number 300).")


def test_a_limit_on_episodes_is_said_once(events):
    log = WarningLog("actor-0", events)
    for num_episodes in (0, 2, 0, 1):
        log.truncated(num_episodes, 1000)
    assert [line["event"] for line in lines(events)] == ["episode_truncated"]


def test_old_parameters_are_said_again_only_after_newer_ones(events):
    log = WarningLog("actor-0", events)
    ages = [0, 100, 101, 102, 500, 100, 99, 300, 300]
    assert [log.parameter_age(age, 100) for age in ages] == [age > 100 for age in ages]
    assert [line["age"] for line in lines(events)] == [101, 300]


def test_without_a_run_it_is_only_said(capsys):
    WarningLog("evaluation", None).truncated(1, 10)
    assert "cut off after 10 actions" in capsys.readouterr().err
