from __future__ import annotations

import os

import pytest

from quinoa.launch.experiment.saved import save
from quinoa.launch.run import provenance
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.helpers import experiment


def test_git_state_tells_revision_and_changes(tmp_path):
    assert provenance.git_state(tmp_path) is None
    for arguments in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        provenance._git(tmp_path, *arguments)
    clean = provenance.git_state(tmp_path)
    assert clean is not None
    assert len(clean["revision"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "file").write_text("changed")
    changed = provenance.git_state(tmp_path)
    assert changed == {"revision": clean["revision"], "dirty": True, "untracked": ["file"]}


@pytest.fixture
def repository(tmp_path):
    """A git repository with one file."""
    (tmp_path / "file.py").write_text("one = 1\n")
    for arguments in (
        ["init", "-q"],
        ["add", "file.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"],
    ):
        provenance._git(tmp_path, *arguments)
    return tmp_path


def test_looking_leaves_the_index_as_it_is(repository):
    index = repository / ".git" / "index"
    # Git would note there that the file is unchanged, although it is newer.
    os.utime(repository / "file.py", (1, 1))
    before = index.read_bytes()
    provenance.git_state(repository)
    provenance.git_diff(repository)
    assert index.read_bytes() == before


def test_a_diff_brings_the_revision_to_what_was_run(repository):
    assert provenance.git_diff(repository) == ""
    (repository / "file.py").write_text("one = 2\n")
    diff = provenance.git_diff(repository)
    assert "+one = 2" in diff
    provenance._git(repository, "checkout", "-q", "file.py")
    (repository / "kept.diff").write_text(diff)
    provenance._git(repository, "apply", "kept.diff")
    assert (repository / "file.py").read_text() == "one = 2\n"


def test_a_diff_that_is_very_long_is_cut_and_says_so(repository):
    (repository / "file.py").write_text("x\n" * 2**20)
    diff = provenance.git_diff(repository)
    assert len(diff) < 2**20 + 100
    assert "... cut here: the whole diff has " in diff.splitlines()[-1]


def test_no_git_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) is None
    assert provenance.git_diff(tmp_path) == ""


def test_a_run_keeps_the_diff_of_the_folder_it_was_called_in(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / "file.py").write_text("one = 3\n")
    folder = RunFolder(tmp_path / "run")
    folder.create()
    save(experiment(), folder)
    save(experiment(), folder, resumed_at=70)
    saved = read_json(folder.experiment)
    assert saved["working_folder"]["git"]["dirty"]
    assert "+one = 3" in folder.source_diff().read_text()
    assert "+one = 3" in folder.source_diff(70).read_text()
    assert folder.source_diff(70).name == "source.resumed-at-70.diff"
