from __future__ import annotations

from typing import Any

import pytest

from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.files import read_json, write_json
from quinoa.launch.sweep.folder import Planned, State, SweepFolder
from tests.launch.written_runs import write_run


def planned(name="one"):
    return Planned(name, {"agent": "a", "env": "e", "tau": "0.10"}, 1, 100, ("--seed=1",))


@pytest.fixture
def sweep(tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    folder.create()
    folder.save([planned()], 3, ["tau=0.10"], tmp_path)
    return folder


def test_a_plan_is_read_as_it_was_written(sweep):
    assert sweep.load() == [planned()]
    assert sweep.at_once() == 3
    assert "command" in read_json(sweep.description)


def test_a_folder_that_is_taken_is_an_error(sweep, tmp_path):
    with pytest.raises(ExperimentError, match="already holds a sweep: go on with --resume"):
        sweep.create()
    with pytest.raises(ExperimentError, match="is not empty"):
        SweepFolder(tmp_path).create()
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="cannot be written"):
        SweepFolder(tmp_path / "file" / "sweep").create()


def test_no_sweep_and_a_damaged_one_are_one_line(sweep, tmp_path):
    with pytest.raises(RunError, match="There is no sweep at"):
        SweepFolder(tmp_path).load()
    whole = read_json(sweep.description)
    outside = {**whole["runs"][0], "name": "../elsewhere"}
    contents: list[Any] = [[], {}, {"runs": [{}]}, {"runs": 3}, {"runs": [outside]}]
    for content in contents:
        write_json(sweep.description, content)
        with pytest.raises(RunError, match="is damaged"):
            sweep.load()
    sweep.description.write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        sweep.at_once()


def test_a_runs_state_follows_from_what_is_in_its_folder(sweep):
    run = planned()
    assert sweep.state(run) is State.WAITING
    sweep.run(run).create()
    assert sweep.state(run) is State.WAITING
    folder = write_run(sweep.run(run).root)
    assert sweep.state(run) is State.BROKEN_OFF
    for outcome, state in (
        ("stopped", State.BROKEN_OFF),
        ("killed", State.BROKEN_OFF),
        ("failed", State.FAILED),
        ("finished", State.FINISHED),
    ):
        write_json(folder.result, {"outcome": outcome})
        assert sweep.state(run) is state
    sweep.set_failure(run, "why")
    assert sweep.state(run) is State.FAILED
    assert sweep.failed() == {"one": "why"}
    sweep.set_failure(run, None)
    assert sweep.state(run) is State.FINISHED
