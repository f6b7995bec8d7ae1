"""Runs of agents that learn from demonstrations alone: a learner and a counter, and no actors."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quinoa.agents import maxent_irl
from quinoa.launch import engines, program, resume
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.commands.running.new_experiment import make_experiment
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.of_agents import make_demonstration_agent
from quinoa.launch.experiment.saved import load, save
from quinoa.launch.experiment.validation import validate
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.topology import SERVICES, may_end
from quinoa.launch.run import process_list
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.train import train
from quinoa.launch.trained import weights
from quinoa.launch.watch import overview
from tests.launch.helpers import started

AGENT = "maxent_irl"
ROADS = "roads:3x3,routes=10,destinations=2,shortest=2,costs=0.5"
OF = Experiment(
    agent=AGENT,
    agent_config=maxent_irl.Config(tolerance=1e-9),
    environment="",
    demonstrations=ROADS,
    steps=8,
    evaluation_period=4,
)


def run(of: Experiment, path: Path, resumed_at: int | None = None) -> RunFolder:
    folder = RunFolder(path)
    if resumed_at is None:
        folder.create()
    engine = engines.make("serial", ProcessContext(dict(os.environ)))
    result = train(validate(of), folder, engine, resumed_at=resumed_at).result
    assert result.outcome is Outcome.FINISHED
    assert result.final_metrics is not None
    return folder


def test_a_resumed_run_learns_what_a_whole_one_does(tmp_path):
    whole = run(OF, tmp_path / "whole")
    part = run(dataclasses.replace(OF, steps=4), tmp_path / "part")
    _, counts = learner_checkpoints.newest_with_counts(part.checkpoints)
    assert counts.learner_steps == OF.budget.done(counts) == 4
    resume.make_ready(part, OF.budget, counts, [], keep_replay=False)
    run(OF, part.root, resumed_at=4)
    one, other = (weights.load(folder) for folder in (whole, part))
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(
        one.weights, learner_checkpoints.newest(whole.checkpoints).policy_parameters()
    )
    tables = [pd.read_csv(folder.metrics(Role.LEARNER)) for folder in (whole, part)]
    columns = ["learner_steps", "log_likelihood", "feature_error", "held_out_log_likelihood"]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])
    assert tables[0].learner_steps.tolist() == list(range(1, 9))
    assert tables[0].held_out_log_likelihood.notna().tolist() == [False, False, False, True] * 2
    assert whole.learning_curve.is_file()
    seen = overview.read(whole)
    assert seen.status is not None and seen.status.has_all_steps
    assert (seen.title.task, seen.limits.has_actors) == (ROADS, False)
    result = json.loads(whole.result.read_text())
    assert result["final_metrics"]["log_likelihood"] == tables[0].log_likelihood.iloc[-1]


def test_it_is_over_when_it_has_converged(tmp_path):
    config = maxent_irl.Config(tolerance=10.0)
    folder = run(dataclasses.replace(OF, agent_config=config), tmp_path / "run")
    assert learner_checkpoints.newest(folder.checkpoints).counts().learner_steps == 1


def test_its_program_is_a_learner_that_ends_it_and_a_counter(tmp_path):
    addresses = FixedAddresses({role: f"localhost:{7000 + i}" for i, role in enumerate(SERVICES)})
    groups = program.make_program(OF, RunFolder(tmp_path), addresses).groups
    assert set(groups) == {Role.COUNTER, Role.LEARNER}
    assert [role for role in (Role.COUNTER, Role.LEARNER) if may_end(role, set(groups))] == [
        Role.LEARNER
    ]
    assert may_end(Role.ACTOR, set(Role)) and not may_end(Role.LEARNER, set(Role))


def flags(*texts: str) -> Experiment:
    from quinoa.launch.commands.options import train_flags

    values = train_flags.define()
    values(["train", *texts])
    return make_experiment(values, {})


def test_flags_make_a_run_without_an_environment_and_with_a_budget_of_its_own():
    of = flags(f"--agent={AGENT}", f"--demonstrations={ROADS}")
    assert (of.environment, of.demonstrations, of.steps) == ("", ROADS, 200)
    assert of.budget.unit == "learner_steps"
    file = flags(f"--agent={AGENT}", "--demonstrations=a.npz").demonstrations
    assert file == os.path.abspath("a.npz")
    assert flags().steps == 220_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demonstrations": "nowhere.npz"}, "There is no file of routes at nowhere.npz"),
        ({"demonstrations": None}, "give some, --demonstrations=FILE"),
        ({"environment": "control:cartpole:swingup"}, "leave --env=control:cartpole:swingup out"),
        ({"init_from": "runs/a"}, "has no networks: leave it out"),
    ],
)
def test_what_cannot_run_is_one_sentence(changes, message):
    with pytest.raises(ExperimentError, match=message) as raised:
        validate(dataclasses.replace(OF, **changes))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 3), ("learning_rate", 0.5)])
def test_a_setting_of_the_other_optimiser_is_refused_of_a_new_run_alone(name, value, tmp_path):
    settings: dict[str, Any] = {name: value}
    of = dataclasses.replace(OF, agent_config=maxent_irl.Config(**settings))
    with pytest.raises(ExperimentError, match=f"{name} = {value} .*--set optimizer=expon"):
        validate(of)
    stored = make_demonstration_agent(of)
    path = str(tmp_path / "learner")
    stored.save(path)
    validate(of, checkpoint=path)
    gradient = maxent_irl.Config(**settings, optimizer="exponentiated_gradient")
    validate(dataclasses.replace(OF, agent_config=gradient))


def test_it_has_no_policy(tmp_path):
    with pytest.raises(ExperimentError, match="acts in no environment, and has no policy"):
        OF.agent_class()
    with pytest.raises(RunError, match="There is no checkpoint"):
        folder = RunFolder(tmp_path / "run")
        folder.create()
        save(OF, folder)
        weights.load(folder)


@pytest.mark.slow
def test_a_learner_that_is_killed_is_started_again_and_continues(tmp_path):
    command = [
        sys.executable,
        *("-m", "quinoa.launch.cli", "train", f"--agent={AGENT}", "--demonstrations=roads:6x6"),
        *("--set=tolerance=1e-12", "--steps=120", "--checkpoint_period=0.2"),
        f"--folder={tmp_path / 'run'}",
    ]
    folder = RunFolder(tmp_path / "run")
    with started(command) as process:
        deadline = time.monotonic() + 120
        while not learner_checkpoints.all_of(folder.checkpoints):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        (learner,) = (
            node for node in process_list.read(folder.processes).nodes if node.role is Role.LEARNER
        )
        os.kill(learner.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    assert "Processes started again: 1 (learner 1)" in out
    # It has learned what a learner does that nobody kills.
    killed = weights.load(folder)
    alone = make_demonstration_agent(load(folder))
    while alone.steps < killed.steps:
        alone.gradient_step(lambda: None)
    np.testing.assert_allclose(killed.weights, alone.weights, rtol=1e-9)
    assert killed.steps == 120 or killed.is_over
