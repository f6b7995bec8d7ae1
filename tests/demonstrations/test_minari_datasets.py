from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec

import numpy as np
import pytest

from quinoa.demonstrations import minari_datasets, names
from quinoa.demonstrations.episodes import Episode
from quinoa.demonstrations.names import DatasetError
from quinoa.environments import Layout
from quinoa.environments.layout import Part
from tests.demonstrations.datasets import LAYOUT, episode, written

pytestmark = pytest.mark.skipif(
    find_spec("minari") is None, reason="the extra minari is not installed"
)


def read(folder, layout=LAYOUT, action_repeat=1):
    return minari_datasets.read(f"minari:{folder}", layout, action_repeat=action_repeat)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for field, wanted in other._asdict().items():
            value = getattr(one, field)
            assert value.dtype == wanted.dtype, field
            np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-6, err_msg=field)


def test_what_is_written_is_read_again_and_minari_reads_it_in_the_tasks_own_form(tmp_path):
    import minari

    episodes = [episode(4), episode(2, terminated=False, seed=1)]
    folder = written(tmp_path / "some" / "expert-v3", *episodes)
    assert_same(read(folder), episodes)

    dataset = minari.MinariDataset(folder / "data")
    assert dataset.spec.dataset_id == "expert-v3" and dataset.total_steps == 6
    first, second = dataset.iterate_episodes()
    assert first.terminations.tolist() == [False, False, False, True]
    assert not first.truncations.any() and second.truncations.tolist() == [False, True]
    (position, height), kind = first.observations["position"], first.observations["kind"]
    assert position.shape == (5, 2) and height.shape == (5,)
    np.testing.assert_array_equal(kind, 5 + episodes[0].observations[:, 3:].argmax(axis=1))
    assert first.actions.shape == (4, 2, 1) and first.actions.dtype == np.float64
    np.testing.assert_allclose(first.actions[:, 0, 0], 2 * episodes[0].actions[:, 0])
    np.testing.assert_allclose(first.actions[:, 1, 0], 5 + 5 * episodes[0].actions[:, 1])
    for index, observation in enumerate(first.observations["kind"]):
        whole = {
            "position": (position[index], np.asarray(height[index])),
            "kind": observation,
        }
        assert dataset.observation_space.contains(whole)
    assert all(dataset.action_space.contains(action) for action in first.actions)


def test_discounts_between_0_and_1_are_kept(tmp_path):
    own = episode(3)._replace(discounts=np.array([1, 0.5, 0.25], np.float32))
    assert_same(read(written(tmp_path / "e", own)), [own])


def test_images_and_finite_sets_are_kept_unless_minari_would_change_pixels(tmp_path):
    layout = Layout((Part((), (6, 5, 4)),), (), "int64", (), (), 3, 1, 255)
    rng = np.random.default_rng(0)
    own = Episode(
        rng.integers(256, size=(4, 6, 5, 4)).astype(np.uint8),
        np.array([0, 2, 1], np.int32),
        np.zeros(3, np.float32),
        np.ones(3, np.float32),
    )
    assert_same(read(written(tmp_path / "e", own, layout=layout), layout), [own])
    colours = dataclasses.replace(layout, observation=(Part((), (6, 5, 3)),))
    with pytest.raises(DatasetError, match="stores images of one or three channels as JPEG"):
        written(tmp_path / "colours", own, layout=colours)
    assert not (tmp_path / "colours").exists()


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_several_choices_at_once_are_kept(tmp_path, dtype):
    """Minari takes an array of uint8 for images, and would keep it as JPEG."""
    layout = dataclasses.replace(
        LAYOUT, action_dtype=dtype, low=(0.0, 2.0), high=(1.0, 4.0), action_shape=(2,)
    )
    own = episode(3)._replace(actions=np.array([[0, 2], [1, 0], [1, 1]], np.int32))
    folder = written(tmp_path / "e", own, layout=layout)
    assert_same(read(folder, layout), [own])
    others = dataclasses.replace(layout, high=(1.0, 5.0))
    with pytest.raises(DatasetError, match=r"of MultiDiscrete\(\[2 3\].*task's .*\[2 4\]"):
        read(folder, others)


def damaged(**fields):
    return episode()._replace(**fields)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (damaged(rewards=np.array([0, 1, np.nan, 0], np.float32)), "a reward is not one finite"),
        (
            damaged(observations=np.full((5, 6), np.nan, np.float32)),
            "The observation has a number that is not finite",
        ),
        (damaged(observations=episode(6).observations), "7 observations for 4 actions"),
        (damaged(actions=episode(3).actions), "4 rewards, and 3 actions"),
    ],
)
def test_an_episode_that_cannot_be_learned_from_is_refused(tmp_path, own, message):
    folder = written(tmp_path / "e", episode(), own)
    with pytest.raises(DatasetError, match=f"cannot be learned from: episode 1: .*{message}"):
        read(folder)


def test_actions_outside_the_box_and_episodes_that_go_on_after_their_end_are_refused(tmp_path):
    import h5py

    folder = written(tmp_path / "e", episode())
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        file["episode_0/actions"][1] = 10.5
    with pytest.raises(DatasetError, match=r"episode 0: an action is 10.5, and not from"):
        read(folder)
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        file["episode_0/actions"][1] = 1
        file["episode_0/truncations"][2] = True
    with pytest.raises(DatasetError, match=r"episode 0: it ends at step 3, and has 4 steps\.$"):
        read(folder)
    with h5py.File(folder / "data" / "main_data.hdf5", "r+") as file:
        file["episode_0/truncations"][2] = False
        file["episode_0/terminations"][3] = False
    # One that was cut off is as one that was truncated.
    assert not read(folder)[0].terminated


def test_a_dataset_of_another_task_is_refused(tmp_path):
    folder = written(tmp_path / "e", episode())
    wider = dataclasses.replace(LAYOUT, high=(3.0, 10.0))
    with pytest.raises(DatasetError, match=r"its actions are of Box.* and the task's are of Box"):
        read(folder, wider)
    other = dataclasses.replace(LAYOUT, observation=(Part(("velocity",), (6,)),))
    with pytest.raises(DatasetError, match=r"observation\['velocity'\] is missing"):
        read(folder, other)
    with pytest.raises(DatasetError, match="each of its actions lasts 1 steps of the environment"):
        read(folder, action_repeat=4)


def test_what_is_no_dataset_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for name, message in (
        ("pen/human-v2", "is the name of no dataset: it must be run:RUN"),
        (f"minari:{tmp_path}", "holds no dataset of Minari"),
        ("minari:pen/human-v2", "there is no dataset pen/human-v2 in .* minari download"),
        (f"run:{tmp_path}", "nothing is recorded of this run yet. quinoa record"),
    ):
        with pytest.raises(DatasetError, match=message):
            minari_datasets.read(name, LAYOUT, action_repeat=1)
    folder = written(tmp_path / "broken-v0", episode())
    assert_same(minari_datasets.read("minari:broken-v0", LAYOUT, action_repeat=1), read(folder))
    metadata = folder / "data" / "metadata.json"
    metadata.write_text(json.dumps({"data_format": "hdf5"}))
    with pytest.raises(DatasetError, match="cannot be read by Minari"):
        read(folder)


def test_names_are_stored_with_absolute_paths_and_ids_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert names.absolute("minari:here") == f"minari:{tmp_path}/here"
    assert names.absolute("run:runs/a") == f"run:{tmp_path}/runs/a"
    assert names.absolute("minari:D4RL/pen/human-v2") == "minari:D4RL/pen/human-v2"


def test_without_minari_there_is_one_sentence_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DatasetError, match=r"pip install 'path/to/quinoa\[minari\]'"):
        read(tmp_path)
