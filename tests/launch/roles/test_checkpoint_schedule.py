from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.config import parsing
from quinoa.launch.checkpoints import checkpoint_folder, learner_checkpoints
from quinoa.launch.errors import RunError
from quinoa.launch.roles.checkpoint_schedule import CheckpointSchedule
from quinoa.launch.run.counts import Counts
from tests.launch.helpers import experiment


@pytest.fixture(scope="module")
def learner():
    """One whose checkpoint takes about a megabyte."""
    of = experiment()
    config = parsing.override(of.learner_config, {"hidden_sizes": "128,128"})
    return Learner(registry.load(of.agent).agent_class, config, of.spec(), seed=1)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


Said = list[tuple[str, str]]


def schedule_of(learner, folder: Path, said: Said, period_s: float = 0.0) -> CheckpointSchedule:
    def warn(event, text, **details):
        said.append((event, text))

    return CheckpointSchedule(learner, folder, period_s, lambda: Counts(actor_steps=7), warn)


def fill(disk: Path, left: int) -> Path:
    """Leaves so many bytes of it."""
    path = disk / "other"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    path.write_bytes(bytes(free - left))
    return path


def advance(learner) -> None:
    learner._steps.assign_add(1)


def test_the_period_is_kept(tmp_path, learner):
    schedule = schedule_of(learner, tmp_path, [], period_s=0.2)
    assert not schedule.is_due
    time.sleep(0.25)
    assert schedule.is_due
    schedule.save()
    assert not schedule.is_due
    assert 0 < schedule.seconds < 5
    assert learner_checkpoints.newest(tmp_path).counts().actor_steps == 7


# Too little for the margin; and for what the margin does not know of, as others write as well.
@pytest.mark.parametrize(("left", "margin"), [(10 * 2**20, True), (2**19, False)])
def test_a_full_disk_leaves_the_one_before_and_no_part(
    small_disk, learner, left, margin, monkeypatch
):
    folder = small_disk / "checkpoints"
    said: Said = []
    schedule = schedule_of(learner, folder, said)
    schedule.save()
    before = learner_checkpoints.newest(folder)
    other = fill(small_disk, left)
    if not margin:
        monkeypatch.setattr(checkpoint_folder, "check_room", lambda folder, size: None)
    for _ in range(3):
        advance(learner)
        schedule.save()
    assert schedule.skipped == 3
    # Said once, with what there is.
    ((event, text),) = said
    assert event == "checkpoint_skipped"
    assert str(before.path) in text
    assert "make room" in text
    assert [path.name for path in folder.iterdir()] == [before.path.name]
    before.verify()
    with pytest.raises(RunError, match=f"last checkpoint cannot be written.*{before.path}"):
        schedule.save_last()
    other.unlink()
    schedule.save()
    assert schedule.skipped == 3
    assert learner_checkpoints.newest(folder).counts().learner_steps == learner.steps
    learner_checkpoints.newest(folder).verify()
    # From now on it is news again.
    fill(small_disk, left)
    advance(learner)
    schedule.save()
    assert len(said) == 2


def test_the_last_one_of_a_run_without_any_says_so(small_disk, learner):
    fill(small_disk, 0)
    with pytest.raises(RunError, match="There is none yet"):
        schedule_of(learner, small_disk / "checkpoints", []).save_last()
