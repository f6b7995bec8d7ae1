from __future__ import annotations

import json
import re
import types
from typing import Any

import numpy as np
import pytest

from quinoa.environments import EnvironmentFault, FaultKind
from quinoa.launch.roles import role_warnings
from quinoa.launch.roles.role_warnings import RoleWarnings, UnendedEpisodes


@pytest.fixture
def recorded() -> list[str]:
    return []


def lines(recorded):
    return [json.loads(line) for line in recorded]


def test_a_warning_is_said_and_recorded(recorded, capsys):
    RoleWarnings("actor-3", recorded.append).dropped([EnvironmentFault("it broke", FaultKind.SPEC)])
    assert capsys.readouterr().err == (
        "quinoa: note: actor-3: an episode was dropped, the others continue: it broke.\n"
    )
    (line,) = lines(recorded)
    assert line.pop("wall_time") > 1e9
    assert line == {
        "event": "episode_dropped",
        "node": "actor-3",
        "kind": "spec",
        "count": 1,
        "text": "an episode was dropped, the others continue: it broke.",
    }


def test_the_first_ones_are_said_and_then_one_in_a_hundred(recorded, capsys):
    log = RoleWarnings("actor-0", recorded.append)
    for number in range(350):
        log.dropped([EnvironmentFault(f"fault {number + 1}")])
    said = [*range(1, 11), 100, 200, 300]
    assert [line["count"] for line in lines(recorded)] == said
    for number, line in zip(said, lines(recorded), strict=True):
        assert re.search(rf"fault {number}\b", line["text"])
    assert capsys.readouterr().err.splitlines()[-1].endswith("fault 300 (number 300).")


def test_a_limit_on_episodes_is_said_once(recorded):
    log = RoleWarnings("actor-0", recorded.append)
    for num_episodes in (0, 2, 0, 1):
        log.truncated(num_episodes, 1000)
    assert [line["event"] for line in lines(recorded)] == ["episode_truncated"]


@pytest.mark.parametrize(
    ("ends_at", "seconds", "is_said"), [(5, 0.0, False), (None, 60.0, False), (None, 0.0, True)]
)
def test_episodes_that_do_not_end_are_said_once_and_late(
    recorded, monkeypatch, ends_at, seconds, is_said
):
    monkeypatch.setattr(role_warnings, "_UNENDED_S", seconds)
    log = RoleWarnings("evaluator-0", recorded.append)
    for _ in range(2):
        unended = UnendedEpisodes(log, 100_000)
        for number in range(2_500):
            step: Any = types.SimpleNamespace(last=np.array([False, number == ends_at]))
            unended(None, None, step)
    assert [line["actions"] for line in lines(recorded)] == ([2_000] if is_said else [])


def test_old_parameters_are_said_again_only_after_newer_ones(recorded):
    log = RoleWarnings("actor-0", recorded.append)
    ages = [0, 100, 101, 102, 500, 100, 99, 300, 300]
    assert [log.parameter_age(age, 100) for age in ages] == [age > 100 for age in ages]
    assert [line["age"] for line in lines(recorded)] == [101, 300]


def test_without_a_run_it_is_only_said(capsys):
    RoleWarnings("evaluation", None).truncated(1, 10)
    assert "cut off after 10 actions" in capsys.readouterr().err
