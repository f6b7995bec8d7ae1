from __future__ import annotations

import collections
import os
import shutil

import pytest

from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run import run_folder
from quinoa.launch.run.run_folder import RunFolder


def test_makes_a_folder_and_finds_it_again(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    folder.create()
    for path in (folder.checkpoints, folder.logs, folder.tensorboard):
        assert path.is_dir()
    folder.experiment.write_text("{}")
    assert run_folder.existing(folder.root) == folder


def test_an_empty_folder_will_do(tmp_path):
    RunFolder(tmp_path).create()
    assert (tmp_path / "logs").is_dir()


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.experiment.write_text("{}")
    with pytest.raises(ExperimentError, match="already holds a run"):
        folder.create()


def test_a_folder_that_holds_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("\\end")
    with pytest.raises(ExperimentError, match="is not empty"):
        RunFolder(tmp_path).create()
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").create()


def test_a_full_disk_is_refused_and_nothing_left_on_it(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**10, 10**10, 5 * 10**7))
    root = tmp_path / "run"
    with pytest.raises(ExperimentError, match=r"has 0\.05 GB left, and a run needs 1 GB"):
        RunFolder(root).create()
    assert not root.exists()


def test_fresh_folders_never_meet(tmp_path):
    roots = []
    for _ in range(3):
        folder = run_folder.fresh("control:walker:walk", "an_agent", 7, parent=tmp_path)
        assert not folder.root.exists()
        folder.create()
        roots.append(folder.root)
    assert len(set(roots)) == 3
    assert all(root.name.startswith("control_walker_walk-an_agent-") for root in roots)
    assert roots[0].name.endswith("-s7")


def test_a_fresh_folders_name_has_no_slashes_or_colons(tmp_path):
    folder = run_folder.fresh("gym:ns/Task-v1", "my.agents/..:x", 0, parent=tmp_path)
    assert folder.root.parent == tmp_path
    assert not set(folder.root.name) & set(":/\\")


def test_what_is_no_run_is_one_error(tmp_path):
    with pytest.raises(RunError, match="not a folder"):
        run_folder.existing(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"holds no experiment\.json"):
        run_folder.existing(tmp_path)


def test_a_fresh_folders_name_is_not_too_long(tmp_path):
    environment = f"{'package.' * 60}module:make_it"
    folder = run_folder.fresh(environment, f"{'package.' * 60}agent", 2**31 - 1, parent=tmp_path)
    folder.create()
    assert len(folder.root.name) < 230
    assert "_module_make_it-" in folder.root.name and "_agent-" in folder.root.name


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 20), os.fsdecode(b"r\xffn")])
def test_a_name_that_no_run_can_have_is_one_error(tmp_path, name):
    with pytest.raises(ExperimentError, match=r"The run's folder .* give another\.$"):
        RunFolder(tmp_path / name).create()
    assert not list(tmp_path.iterdir())
    with pytest.raises(RunError, match="There is no run at "):
        run_folder.existing(tmp_path / name)


def test_a_run_that_has_not_begun_is_taken_back(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    for path in (folder.experiment, folder.source_diff(), folder.processes, folder.result):
        path.write_text("{}")
    folder.remove_if_not_begun()
    assert not folder.root.exists()
    folder.create()


@pytest.mark.parametrize("name", ["logs/actor-0.log", "status.json", "checkpoints/12", "mine.txt"])
def test_one_that_has_begun_or_holds_something_else_stays_whole(tmp_path, name):
    folder = RunFolder(tmp_path)
    folder.create()
    folder.experiment.write_text("{}")
    (tmp_path / name).write_text("")
    folder.remove_if_not_begun()
    assert folder.experiment.is_file()
    assert folder.tensorboard.is_dir()
    assert (tmp_path / name).is_file()
