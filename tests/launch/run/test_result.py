from __future__ import annotations

import json

import pytest

from quinoa.launch.errors import RunError
from quinoa.launch.run import result as run_result
from quinoa.launch.run.result import Outcome, RunResult
from quinoa.launch.run.run_folder import RunFolder

RESULT = RunResult(
    Outcome.FAILED,
    failed_node="actor-1",
    error="Traceback",
    restarts={"actor": 2},
    seconds_lost=1.5,
    final_returns=[1.0, 2.0],
)


@pytest.mark.parametrize("result", [RESULT, RunResult(Outcome.FINISHED)])
def test_a_result_is_itself_again_after_json(tmp_path, result):
    path = tmp_path / "result.json"
    assert run_result.read(path) is None
    path.write_text(json.dumps(result.to_json()))
    assert run_result.read(path) == result


def test_the_file_has_the_fields_that_it_always_had():
    assert json.loads(json.dumps(RESULT.to_json())) == {
        "outcome": "failed",
        "failed_node": "actor-1",
        "error": "Traceback",
        "restarts": {"actor": 2},
        "seconds_lost": 1.5,
        "final_returns": [1.0, 2.0],
    }


def test_what_an_older_version_did_not_write_is_as_if_there_were_none():
    assert RunResult.from_json({"outcome": "stopped"}) == RunResult(Outcome.STOPPED)


@pytest.mark.parametrize("text", ["{}", '{"outcome": "else"}', "[1]", '{"outcome', "3"])
def test_a_damaged_result_is_one_error_that_names_the_file(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(RunError, match=f"{path} is damaged, or of another version"):
        run_result.read(path)


@pytest.mark.parametrize(
    ("fields", "is_complete"),
    [
        ({"outcome": "finished", "final_returns": [1.0]}, True),
        ({"outcome": "finished", "final_metrics": {"log_likelihood": -1.0}}, True),
        ({"outcome": "finished"}, False),
        ({"outcome": "stopped", "final_returns": [1.0]}, False),
        ({"outcome": "else"}, False),
    ],
)
def test_a_run_is_complete_once_it_has_measured_what_it_learned(tmp_path, fields, is_complete):
    folder = RunFolder(tmp_path)
    assert not run_result.is_complete(folder)
    folder.result.write_text(json.dumps(fields))
    assert run_result.is_complete(folder) is is_complete
