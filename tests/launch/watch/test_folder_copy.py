"""A copy of a run's folder: in memory, as an object store is to the code, and in another folder."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import fsspec
import pytest

from quinoa.launch import cli
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from quinoa.launch.watch import folder_copy
from tests.launch.helpers import train_command


@pytest.fixture(params=["memory", "folder"])
def url(request, tmp_path):
    if request.param == "folder":
        yield str(tmp_path / "elsewhere" / "run")
        return
    place = f"memory://{uuid.uuid4().hex}/run"
    yield place
    files = fsspec.filesystem("memory")
    if files.exists(place):
        files.rm(place, recursive=True)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(folder_copy, "_PERIOD_S", 0.02)


def made(root: Path, **files: str) -> RunFolder:
    folder = RunFolder(root)
    folder.create()
    folder.experiment.write_text("{}")
    for name, text in files.items():
        write(folder, name.replace("__", "/"), text)
    return folder


def write(folder: RunFolder, name: str, text: str) -> None:
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(url: str) -> dict[str, str]:
    files, path = fsspec.core.url_to_fs(url)
    return {found[len(path) + 1 :]: files.cat_file(found).decode() for found in files.find(path)}


def test_a_copy_is_what_the_folder_has_but_for_what_is_this_machines(tmp_path, url):
    folder = made(tmp_path / "run", checkpoints__10__a="ten", replay__1__b="full", logs__x="noise")
    write(folder, "checkpoints/.20.77.tmp/a", "being written")
    with folder_copy.copied(folder, url):
        write(folder, "metrics/actor.csv", "steps\n1\n")
    expected = {
        "experiment.json": "{}",
        "checkpoints/10/a": "ten",
        "replay/1/b": "full",
        "metrics/actor.csv": "steps\n1\n",
    }
    assert contents(url) == expected
    # Another process continues with it: what is gone from the folder is removed there.
    shutil.rmtree(folder.checkpoints / "10")
    write(folder, "checkpoints/20/a", "twenty")
    write(folder, "metrics/actor.csv", "steps\n1\n2\n")
    with folder_copy.copied(folder, url):
        pass
    del expected["checkpoints/10/a"]
    expected |= {"checkpoints/20/a": "twenty", "metrics/actor.csv": "steps\n1\n2\n"}
    assert contents(url) == expected


def test_only_what_has_changed_is_copied_again(tmp_path, url, monkeypatch):
    folder = made(tmp_path / "run", checkpoints__10__a="ten")
    copy = folder_copy._Copy(folder, folder_copy._place(url, "--copy_to"))
    put: list[str] = []
    original = copy._put

    def recorded(name: str) -> None:
        put.append(name)
        original(name)

    monkeypatch.setattr(copy, "_put", recorded)
    copy.update()
    # A run is nothing without its checkpoints, so they come first.
    assert put == ["checkpoints/10/a", "experiment.json"]
    write(folder, "status.json", "1")
    copy.update()
    assert put[2:] == ["status.json"]


def test_what_fails_is_said_once_and_tried_again(tmp_path, url, quick, monkeypatch, capsys):
    folder = made(tmp_path / "run")
    tries, original = [0], folder_copy._Copy.update

    def fails_at_first(self: folder_copy._Copy) -> None:
        tries[0] += 1
        if tries[0] < 4:
            raise ConnectionError("the store is away\nand more of it")
        original(self)

    monkeypatch.setattr(folder_copy._Copy, "update", fails_at_first)
    with folder_copy.copied(folder, url):
        while tries[0] < 5:
            pass
    assert contents(url) == {"experiment.json": "{}"}
    err = capsys.readouterr().err
    assert err.count("the store is away") == 1 and err.count("\n") == 1


def test_where_no_copy_can_be_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for url, message in (
        ("nonsense://bucket/run", "--copy_to=nonsense://bucket/run cannot be used: Protocol not"),
        (str(tmp_path / "file" / "run"), "cannot be written: .*Not a directory"),
    ):
        with pytest.raises(ExperimentError, match=message):
            folder_copy.check(url)


def test_another_runs_copy_is_not_overwritten(tmp_path, url):
    run = made(tmp_path / "run")
    with folder_copy.copied(run, url):
        pass
    with pytest.raises(ExperimentError, match="has the copy of a run: give this one a place of"):
        folder_copy.check(url)
    folder_copy.check(url, resumed=str(run.root))
    other = made(tmp_path / "other")
    of = {"agent": "iq", "environment": "e", "seed": 1}
    other.experiment.write_text(json.dumps({"experiment": of, "time": "then"}))
    with pytest.raises(ExperimentError, match="has the copy of another run: give this one a place"):
        folder_copy.check(url, resumed=str(other.root))
    assert contents(url) == {"experiment.json": "{}"}


def test_nothing_is_removed_that_is_not_of_the_run(tmp_path):
    """Where others have folders of these names, too."""
    place = tmp_path / "copy"
    theirs = made(place, checkpoints__other__model="mine", replay__mine="mine")
    theirs.experiment.unlink()
    with pytest.raises(ExperimentError, match="has checkpoints of something else"):
        folder_copy.check(str(place))
    run = made(tmp_path / "run", checkpoints__10__a="ten")
    copy = folder_copy._Copy(run, folder_copy._place(str(place), "--copy_to"))
    copy.update()
    shutil.rmtree(run.checkpoints / "10")
    write(run, "checkpoints/20/a", "twenty")
    copy.update()
    assert contents(str(place)) == {
        "experiment.json": "{}",
        "checkpoints/20/a": "twenty",
        "checkpoints/other/model": "mine",
        "replay/mine": "mine",
    }


def test_what_one_file_costs_is_that_file_and_the_last_copy_is_tried_again(
    tmp_path, url, quick, monkeypatch, capsys
):
    folder = made(tmp_path / "run", metrics__a="a", result="r")
    original, tries = folder_copy._Copy._put, [0]

    def fails(self: folder_copy._Copy, name: str) -> None:
        if name == "metrics/a":
            tries[0] += 1
            if tries[0] < 4:
                raise ConnectionError("not this one")
        original(self, name)

    monkeypatch.setattr(folder_copy._Copy, "_put", fails)
    with folder_copy.copied(folder, url):
        pass
    assert contents(url) == {"experiment.json": "{}", "metrics/a": "a", "result": "r"}
    assert tries == [4] and capsys.readouterr().err.count("not this one") == 1


def test_what_is_no_copy_of_a_run_is_not_fetched(tmp_path, url):
    target = RunFolder(tmp_path / "fetched")
    with pytest.raises(RunError, match=r"holds no experiment\.json"):
        folder_copy.restore(url, target)
    with folder_copy.copied(made(tmp_path / "run"), url):
        pass
    (target.root).mkdir()
    (target.root / "mine").write_text("")
    with pytest.raises(ExperimentError, match="is not empty"):
        folder_copy.restore(url, target)
    assert [path.name for path in target.root.iterdir()] == ["mine"]


@pytest.mark.parametrize("error", [ConnectionError("the store is away"), KeyboardInterrupt()])
def test_what_is_fetched_in_part_is_removed(tmp_path, monkeypatch, error):
    url = f"memory://{uuid.uuid4().hex}/run"
    folder = made(tmp_path / "run", checkpoints__10__a="ten")
    with folder_copy.copied(folder, url):
        pass
    files = fsspec.filesystem("memory")
    original = type(files).get_file
    fetched: list[None] = []

    def fails_at_the_second(self, *arguments, **options):
        if fetched:
            raise error
        original(self, *arguments, **options)
        fetched.append(None)

    monkeypatch.setattr(type(files), "get_file", fails_at_the_second)
    with pytest.raises((RunError, KeyboardInterrupt)):
        folder_copy.restore(url, RunFolder(tmp_path / "again"))
    assert fetched and [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.usefixtures("shared_learners")
def test_a_run_whose_disk_is_lost_is_resumed_from_its_copy(tmp_path, capfd, monkeypatch):
    url, root = f"memory://{uuid.uuid4().hex}/run", tmp_path / "run"
    command = train_command(root, "--engine=serial", "--steps=700", f"--copy_to={url}")
    assert cli.main(command[3:]) == 0
    shutil.rmtree(root)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", f"--resume={url}", "--engine=serial", "--steps=1400"]) == 2
    assert "--change=steps" in capfd.readouterr().err
    # The first try has fetched it, and a second one says where it is.
    fetched = tmp_path / "runs" / "run"
    assert fetched.is_dir()
    assert cli.main(["train", f"--resume={url}", "--engine=serial"]) == 2
    assert f"already holds a run: resume that, with --resume={fetched}" in capfd.readouterr().err
    flags = ["--engine=serial", "--steps=1400", "--change=steps", f"--copy_to={url}"]
    assert cli.main(["train", f"--resume={fetched}", *flags]) == 0
    assert read_json(fetched / "status.json")["actor_steps"] >= 1400
    again = RunFolder(tmp_path / "again")
    folder_copy.restore(url, again)
    assert (
        learner_checkpoints.newest(again.checkpoints).counts().learner_steps
        == learner_checkpoints.newest(fetched / "checkpoints").counts().learner_steps
    )
