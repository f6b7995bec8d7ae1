from __future__ import annotations

import dataclasses
import json

import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.run import status as run_status
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.status import Rates, Status

STATUS = Status(
    counts=Counts(actor_steps=30, learner_steps=20, episodes=2),
    steps=100,
    rates=Rates(actor_steps_per_second=1.5, learner_steps_per_second=0.0, updates_per_step=None),
    actor_return=1.0,
    evaluation_return=None,
    replay_size=12,
    waiting=0.25,
    parameter_age=3,
    wall_time=1e9,
)


def test_the_file_has_the_fields_that_it_always_had():
    """Programs of others read it."""
    assert STATUS.to_json() == {
        "actor_steps": 30,
        "learner_steps": 20,
        "episodes": 2,
        "steps": 100,
        "actor_steps_per_second": 1.5,
        "learner_steps_per_second": 0.0,
        "updates_per_step": None,
        "actor_return": 1.0,
        "evaluation_return": None,
        "replay_size": 12,
        "waiting": 0.25,
        "parameter_age": 3,
        "wall_time": 1e9,
    }


@pytest.mark.parametrize("restarts", [None, 0, 2])
def test_a_status_is_itself_again_after_json(restarts):
    status = dataclasses.replace(STATUS, restarts=restarts)
    assert Status.from_json(json.loads(json.dumps(status.to_json()))) == status


def test_what_an_older_version_did_not_write_is_not_known():
    fields = {"actor_steps": 3, "learner_steps": 2, "steps": 10, "wall_time": 5.0, "more": "text"}
    known = Status(counts=Counts(actor_steps=3, learner_steps=2), steps=10, wall_time=5.0)
    assert Status.from_json(fields) == known


def test_the_latest_return_is_the_evaluations_as_soon_as_there_is_one():
    assert STATUS.latest_return == 1.0
    assert dataclasses.replace(STATUS, evaluation_return=0.0).latest_return == 0.0


def test_no_file_is_no_status(tmp_path):
    assert run_status.read(tmp_path / "status.json") is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor_steps": "many"},
        {"replay_size": "many"},
        {"wall_time": None},
        {"steps": []},
        {"waiting": {}},
    ],
)
def test_a_damaged_status_is_one_error_that_names_the_file(tmp_path, change):
    path = tmp_path / "status.json"
    path.write_text(json.dumps({**STATUS.to_json(), **change}))
    with pytest.raises(RunError, match=f"{path} is damaged, or of another version"):
        run_status.read(path)
    fields = STATUS.to_json()
    for missing in ("actor_steps", "learner_steps", "steps", "wall_time"):
        path.write_text(json.dumps({name: fields[name] for name in fields.keys() - {missing}}))
        with pytest.raises(RunError, match=missing):
            run_status.read(path)
