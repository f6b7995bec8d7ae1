from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quinoa import environments
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment.saved import load
from quinoa.launch.storage.files import read_json
from quinoa.launch.trained.evaluate import load_policy
from tests.launch.helpers import MATCH
from tests.launch.runs import FAR, SMALL_LAYERS, make_run

HOPPER = "control:hopper:stand"
# One agent of each class of policy.
AGENTS = ("iq", "iq_gaussian", "iq_flow", "meow", "crossq_small")
OWN = "tests.launch.own_policy"

# What is taken away is used where nothing of this project is to be found.
ALONE = """
import sys

FORBIDDEN = {"quinoa", "tensorflow_probability", "sonnet", "acme"}


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not to be here")


sys.meta_path.insert(0, Missing())
"""
NUMPY = """
FORBIDDEN.add("tensorflow")
import numpy as np

for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    from policy import Policy

    policy = Policy.load(f"{folder}/policy.npz")
    states = np.load(f"{folder}/../states.npy")
    mode = policy.mode(states)
    sample = policy.sample(states, np.random.default_rng(0))
    log_prob = policy.log_prob(states, sample)
    np.savez(f"{folder}/../numpy_{folder[-1]}.npz", mode=mode, sample=sample, log_prob=log_prob)
    sys.path.pop(0)
    del sys.modules["policy"]
assert not FORBIDDEN & set(sys.modules)
"""
TENSORFLOW = """
import numpy as np
import tensorflow as tf

for folder in sys.argv[1:]:
    signatures = tf.saved_model.load(f"{folder}/saved_model").signatures
    states = tf.constant(np.load(f"{folder}/../states.npy"))
    seed = tf.constant([3, 4], tf.int32)
    (mode,) = signatures["mode"](observation=states).values()
    (sample,) = signatures["sample"](observation=states, seed=seed).values()
    (log_prob,) = signatures["log_prob"](observation=states, action=sample).values()
    np.savez(f"{folder}/../saved_{folder[-1]}.npz", mode=mode, sample=sample, log_prob=log_prob)
assert not FORBIDDEN & set(sys.modules)
"""


@pytest.fixture(scope="module")
def exported(run_of, tmp_path_factory):
    """The policy of each agent, exported to `0`, `1` and so on, with states to try them in."""
    from quinoa.launch.trained.export import export

    root = tmp_path_factory.mktemp("exported")
    states = np.random.default_rng(5).normal(size=(9, 15)).astype(np.float32)
    np.save(root / "states.npy", states)
    for index, agent in enumerate(AGENTS):
        run = run_of(agent, HOPPER)
        export(run, load(run), learner_checkpoints.newest(run.checkpoints), root / str(index))
    return root


def alone(program: str, root: Path) -> None:
    """Runs a program with no variable of ours, isolated, on the folders of all agents."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            ALONE + program,
            *(str(root / str(i)) for i in range(len(AGENTS))),
        ],
        cwd=root,
        env={"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def original(run, root: Path):
    """The policy's distribution in the states."""
    policy = load_policy(load(run), learner_checkpoints.newest(run.checkpoints))
    return policy(np.load(root / "states.npy"))


def test_numpy_alone_acts_as_the_original(exported, run_of):
    alone(NUMPY, exported)
    for index, agent in enumerate(AGENTS):
        distribution = original(run_of(agent, HOPPER), exported)
        got = np.load(exported / f"numpy_{index}.npz")
        np.testing.assert_allclose(got["mode"], distribution.mode(), atol=1e-4)
        assert got["sample"].shape == (9, 4)
        log_prob = distribution.log_prob(got["sample"])
        np.testing.assert_allclose(got["log_prob"], log_prob, atol=1e-3)


def test_tensorflow_alone_acts_as_the_original(exported, run_of):
    alone(TENSORFLOW, exported)
    for index, agent in enumerate(AGENTS):
        distribution = original(run_of(agent, HOPPER), exported)
        got = np.load(exported / f"saved_{index}.npz")
        np.testing.assert_allclose(got["mode"], distribution.mode(), atol=1e-5)
        np.testing.assert_allclose(got["sample"], distribution.sample(seed=[3, 4]), atol=1e-5)
        log_prob = distribution.log_prob(got["sample"])
        np.testing.assert_allclose(got["log_prob"], log_prob, atol=1e-4)


def test_the_arrays_need_no_pickle(exported):
    for index in range(len(AGENTS)):
        with np.load(exported / str(index) / "policy.npz", allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)


def test_says_what_observations_and_actions_are(exported):
    description = read_json(exported / "0" / "policy.json")
    environment = environments.make(HOPPER, 0)
    assert [part["name"] for part in description["observation"]] == [
        "position",
        "velocity",
        "touch",
    ]
    sizes = sum(part["size"] for part in description["observation"])
    assert sizes == environment.observation_spec().shape[0]
    assert description["action"] == {"minimum": [-1.0] * 4, "maximum": [1.0] * 4}
    assert description["environment"] == HOPPER
    assert description["numpy_difference"]["log_prob"] < 1e-3


def test_exports_from_the_command_line_and_says_how_near_it_is(quinoa, run_of, tmp_path):
    out = tmp_path / "new[1]" / "policy"
    status, printed, err = quinoa("export", str(run_of("iq", MATCH).root), f"--out={out}")
    assert (status, err) == (0, "")
    lines = printed.splitlines()
    assert lines[0].startswith(f"{out}/saved_model: TensorFlow; greatest difference: mode 0")
    assert lines[1].startswith(f"{out}/policy.py, policy.npz: NumPy alone; greatest difference")
    assert sorted(path.name for path in out.iterdir()) == [
        "policy.json",
        "policy.npz",
        "policy.py",
        "saved_model",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["policy"]
    status, printed, err = quinoa("export", str(run_of("iq", MATCH).root), f"--out={out}")
    assert (status, printed, err) == (2, "", f"quinoa: {out} is not empty: give a new folder.\n")


@pytest.mark.parametrize(
    ("agent", "settings", "environment", "actions"),
    [
        ("dqn", {"epsilon_start": 0.5}, "choose", {"number": 3}),
        ("m_iq", {}, "choose_two", {"numbers": [3, 2], "first": [0, 1]}),
    ],
)
def test_a_policy_over_finite_sets_is_exported_too(
    quinoa, tmp_path, agent, settings, environment, actions
):
    name = f"tests.launch.factories:{environment}"
    settings = {"hidden_sizes": SMALL_LAYERS, **settings}
    run = make_run(tmp_path / "run", name, agent, moved=FAR, **settings)
    out = tmp_path / "policy"
    status, printed, err = quinoa("export", str(run.root), f"--out={out}")
    assert (status, err) == (0, "")
    assert "NumPy alone; greatest difference: mode 0" in printed
    description = read_json(out / "policy.json")
    assert description["action"] == actions
    assert description["numpy_difference"]["log_prob"] < 1e-3


def test_a_policy_of_the_users_own_is_a_saved_model_and_a_note(quinoa, run_of, tmp_path):
    out = tmp_path / "policy"
    status, printed, err = quinoa("export", str(run_of(OWN, MATCH).root), f"--out={out}")
    assert status == 0
    assert err.startswith("quinoa: note: the NumPy form of Own is not known")
    assert err.count("\n") == 1
    assert "NumPy" not in printed
    assert sorted(path.name for path in out.iterdir()) == ["policy.json", "saved_model"]


def test_what_differs_from_the_original_is_not_exported(quinoa, run_of, tmp_path):
    out = tmp_path / "policy"
    status, printed, err = quinoa("export", str(run_of(f"{OWN}:wrong", MATCH).root), f"--out={out}")
    assert (status, printed, err.count("\n")) == (1, "", 1)
    assert "The NumPy policy is not the policy that it was made of: " in err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_line(quinoa, run_of, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "policy"):
        status, printed, err = quinoa("export", str(run_of("iq", MATCH).root), f"--out={out}")
        assert (status, printed, err.count("\n")) == (2, "", 1)
        assert str(out) in err
