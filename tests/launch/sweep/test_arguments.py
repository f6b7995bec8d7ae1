from __future__ import annotations

import pytest

from quinoa.launch.errors import ExperimentError
from quinoa.launch.sweep import arguments
from quinoa.launch.sweep.sweep_folder import PlannedRun


def completed(*texts: str, name: str = "one") -> list[str]:
    return [*arguments.completed(PlannedRun(name, {}, 0, 10, texts)).arguments]


def test_what_names_a_file_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completed(
        *("--agent=mine.py", "--env=task.py:make", "--init_from=runs/one"),
        *("--demonstrations=a.npz", "--set=agent=x.py", "--norender"),
    ) == [
        *(f"--agent={tmp_path}/mine.py", f"--env={tmp_path}/task.py:make"),
        *(f"--init_from={tmp_path}/runs/one", f"--demonstrations={tmp_path}/a.npz"),
        *("--set=agent=x.py", "--norender"),
    ]
    others = ["--agent=iq", "--env=gym:CartPole-v1", "--demonstrations=roads:3x3", "--init_from="]
    assert completed(*others) == others


def test_each_run_is_copied_to_a_place_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completed("--copy_to=s3://bucket/sweep") == ["--copy_to=s3://bucket/sweep/one"]
    assert completed("--copy_to=to/", name="two") == [f"--copy_to={tmp_path}/to/two"]


def test_a_place_that_has_a_copy_is_refused(tmp_path):
    run = arguments.completed(PlannedRun("one", {}, 0, 10, (f"--copy_to={tmp_path}",)))
    arguments.check_copy(run)
    (tmp_path / "one" / "experiment.json").touch()
    with pytest.raises(ExperimentError, match="has the copy of a run"):
        arguments.check_copy(run)
