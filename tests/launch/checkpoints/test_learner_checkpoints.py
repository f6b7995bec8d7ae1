from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checkpoints import checkpoint_folder, learner_checkpoints
from quinoa.launch.errors import RunError
from quinoa.launch.run.counts import Counts
from tests.launch.helpers import experiment


@pytest.fixture(scope="module")
def learner():
    of = experiment()
    return Learner(registry.load(of.agent).agent_class, of.learner_config, of.spec(), seed=1)


def superbatch(num_steps: int) -> Transition:
    rng = np.random.default_rng(0)
    shape = (num_steps, 8)
    return Transition(
        rng.uniform(-1, 1, (*shape, 2)).astype(np.float32),
        rng.uniform(-1, 1, (*shape, 1)).astype(np.float32),
        rng.uniform(0, 1, shape).astype(np.float32),
        np.ones(shape, np.float32),
        rng.uniform(-1, 1, (*shape, 2)).astype(np.float32),
        np.zeros(shape, bool),
    )


def test_saves_restores_and_keeps_the_latest_two(tmp_path, learner):
    saved = {}
    for _ in range(4):
        learner.step(superbatch(3))
        checkpoint = learner_checkpoints.save(
            tmp_path, learner, Counts(actor_steps=10 * learner.steps)
        )
        saved[learner.steps] = learner.parameters()
    # Nothing but the last two: no temporary folder either.
    kept = sorted(saved)[-2:]
    assert sorted(os.listdir(tmp_path)) == [f"{steps:012d}" for steps in kept]
    assert learner_checkpoints.newest(tmp_path) == checkpoint
    assert checkpoint.counts().learner_steps == kept[-1]
    assert checkpoint.counts().actor_steps == 10 * kept[-1]
    np.testing.assert_array_equal(checkpoint.policy_parameters(), saved[kept[-1]])

    of = experiment()
    restored = Learner(registry.load(of.agent).agent_class, of.learner_config, of.spec(), seed=1)
    assert not np.array_equal(restored.parameters(), saved[kept[-1]])
    restored.restore(checkpoint.learner_prefix)
    np.testing.assert_array_equal(restored.parameters(), saved[kept[-1]])
    assert restored.steps == kept[-1]


def test_saving_twice_at_one_step_is_saving_once(tmp_path, learner):
    first = learner_checkpoints.save(tmp_path, learner, Counts())
    assert learner_checkpoints.save(tmp_path, learner, Counts()) == first
    assert len(os.listdir(tmp_path)) == 1


def test_what_was_cut_off_is_no_checkpoint(tmp_path, learner):
    (tmp_path / ".000000000009.123.tmp").mkdir()
    with pytest.raises(RunError, match="no checkpoint"):
        learner_checkpoints.newest(tmp_path)
    with pytest.raises(RunError, match="no checkpoint"):
        learner_checkpoints.newest(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["policy.npy", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["remove", "cut", "flip", "empty"])
def test_damage_is_one_error(tmp_path, learner, name, damage):
    checkpoint = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=1))
    path = checkpoint.path / name
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "flip":
        # In the middle of the numbers, or of the JSON.
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    with pytest.raises(RunError, match="is damaged") as raised:
        checkpoint.policy_parameters()
    assert "\n" not in str(raised.value)


def test_every_file_is_checked(tmp_path, learner):
    checkpoint = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=1))
    checkpoint.verify()
    for path in checkpoint.path.iterdir():
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(checkpoint_folder.DamagedError, match=str(checkpoint.path)):
                checkpoint.verify()
        path.write_bytes(whole)
    checkpoint.verify()


def test_a_digit_of_a_count_that_changed_is_noticed(tmp_path, learner):
    checkpoint = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=1234567))
    path = checkpoint.path / "checkpoint.json"
    path.write_text(path.read_text().replace("1234567", "1234568"))
    with pytest.raises(checkpoint_folder.DamagedError):
        checkpoint.counts()


def test_what_is_set_aside_is_no_checkpoint_any_more_but_there(tmp_path, learner):
    older = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=1))
    learner.step(superbatch(3))
    newer = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=2))
    aside = newer.set_aside()
    assert aside.is_dir()
    assert learner_checkpoints.newest(tmp_path) == older
    start, counts = learner_checkpoints.newest_with_counts(tmp_path)
    assert start == older
    assert counts == Counts(actor_steps=1, learner_steps=learner.steps - 3)


def test_a_run_without_checkpoints_starts_at_nothing(tmp_path):
    assert learner_checkpoints.newest_with_counts(tmp_path) == (None, Counts())


@pytest.mark.parametrize("asked", [None, "itself"])
def test_a_chosen_checkpoint_has_its_counts_when_the_run_has_removed_it(tmp_path, learner, asked):
    learner.step(superbatch(3))
    saved = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=70))
    steps = None if asked is None else learner.steps
    checkpoint, _ = learner_checkpoints.chosen(tmp_path, steps)
    shutil.rmtree(saved.path)
    assert checkpoint.counts() == Counts(actor_steps=70, learner_steps=learner.steps)


def test_a_checkpoint_of_the_same_steps_has_the_counts_of_now(tmp_path, learner):
    """Actors go on where the learner waits for them: what they have done is not forgotten."""
    first = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=100))
    files = {path.name: path.stat().st_mtime_ns for path in first.path.iterdir()}
    second = learner_checkpoints.save(tmp_path, learner, Counts(actor_steps=130, episodes=2))
    assert second.path == first.path
    expected = Counts(actor_steps=130, episodes=2, learner_steps=learner.steps)
    checkpoint, damaged = learner_checkpoints.newest_whole(tmp_path)
    assert checkpoint is not None and not damaged
    assert checkpoint.counts() == expected
    changed = [path for path in first.path.iterdir() if path.stat().st_mtime_ns != files[path.name]]
    assert [path.name for path in changed] == ["checkpoint.json"]
