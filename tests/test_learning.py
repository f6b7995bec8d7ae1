"""Whole runs that take minutes, run on demand (`make test-slow`): do the agents learn?"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import quinoa
from quinoa.environments import tabular_model
from quinoa.launch import presets
from quinoa.launch.run.run_folder import RunFolder

pytestmark = pytest.mark.optimized_graphs


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_default_run_swings_the_pole_up(tmp_path):
    """Random actions return about 100 there, and the plateau of a spinning pole is at 180."""
    root = tmp_path / "run"
    command = [sys.executable, "-m", "quinoa.launch.cli", "train", f"--folder={root}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    returns = pd.read_csv(RunFolder(root).metrics("evaluator"))["episode_return"]
    # The best of the last five evaluations: with a constant learning rate single ones swing.
    assert returns.iloc[-5:].max() >= 700


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("agent", ["sac", "svg0", "meow"])
def test_the_other_agents_learn_to_swing_the_pole(agent, tmp_path):
    """Further than to spin it, which returns 180: random actions return about 50 there."""
    root = tmp_path / "run"
    command = [sys.executable, "-m", "quinoa.launch.cli", "train", "--engine=serial"]
    command += [f"--agent={agent}", "--env=control:cartpole:swingup", "--steps=20000"]
    command += ["--num_actors=1", "--environments_per_actor=4", f"--folder={root}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    returns = pd.read_csv(RunFolder(root).metrics("evaluator"))["episode_return"]
    assert returns.iloc[-5:].max() >= 220


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "environments", "limit"),
    [
        ("toy/dqn_frozen_lake", 8, 100),
        ("toy/dqn_cliff_walking", 4, 200),
        ("toy/a2c_frozen_lake", 16, 100),
        ("toy/a2c_cliff_walking", 16, 200),
        ("toy/soft_q_frozen_lake", 16, 100),
        ("toy/soft_q_cliff_walking", 16, 200),
    ],
)
def test_a_preset_finds_the_best_policy_of_a_small_decision_process(
    name, environments, limit, tmp_path
):
    """Nearly: the goal in 0.73 of episodes at least, where the best policy has 0.74."""
    root = tmp_path / "run"
    command = [sys.executable, "-m", "quinoa.launch.cli", "train", "--engine=serial"]
    command += [f"--preset={name}", "--num_actors=1", f"--folder={root}"]
    command += [f"--environments_per_actor={environments}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model = tabular_model(quinoa.make_env(presets.load(name).flags["env"], 0))
    best = model.action_values(model.optimal_values(0.99), 0.99).argmax(axis=1)
    learned = quinoa.load(root).policy()(np.arange(len(model.initial)))
    optimum = model.expected_return(best, limit)
    assert model.expected_return(learned, limit) >= optimum - 0.0105


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "environments"), [("a2c", 16), ("soft_q", 16), ("dqn", 8)])
def test_a_preset_balances_the_pole(name, environments, tmp_path):
    root = tmp_path / "run"
    command = [sys.executable, "-m", "quinoa.launch.cli", "train", "--engine=serial"]
    command += [f"--preset=gym/{name}_cartpole", "--num_actors=1", f"--folder={root}"]
    command += [f"--environments_per_actor={environments}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    returns = pd.read_csv(RunFolder(root).metrics("evaluator"))["episode_return"]
    assert returns.iloc[-1] >= 475


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_crossq_swings_a_pendulum_up(tmp_path):
    """In 4,000 gradient steps; policies that do nothing of use return −1,200 to −1,600 there."""
    root = tmp_path / "run"
    command = [sys.executable, "-m", "quinoa.launch.cli", "train", "--engine=serial"]
    command += ["--agent=crossq_small", "--env=gym:Pendulum-v1", "--steps=5000"]
    command += ["--num_actors=1", "--environments_per_actor=4", "--evaluation_period=1000"]
    for setting in ("critic_hidden_sizes=64,64", "hidden_sizes=64,64", "min_replay_size=1000"):
        command += ["--set", setting]
    done = subprocess.run([*command, f"--folder={root}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    returns = pd.read_csv(RunFolder(root).metrics("evaluator"))["episode_return"]
    assert returns.iloc[0] < -1000
    assert returns.iloc[-2:].mean() >= -300
