from __future__ import annotations

import dataclasses
import json
import signal
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from quinoa.agents.learner import Learner
from quinoa.config import parsing
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines import make
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.experiment import Experiment
from quinoa.launch.roles.divergence_guard import DivergedError
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import experiment

pytestmark = pytest.mark.optimized_graphs

# What a clock says is another thing in every run.
CLOCK_COLUMNS = ["wall_time", "steps_per_second", "checkpoint_seconds"]


def run(of: Experiment, root, on_status=lambda status: None) -> RunFolder:
    folder = RunFolder(root)
    folder.create()
    result = make("serial", ProcessContext({})).run(of, folder, on_status)
    assert result.outcome is Outcome.FINISHED
    return folder


def tables(folder: RunFolder) -> dict[str, pd.DataFrame]:
    return {
        role: pd.read_csv(folder.metrics(role)).drop(columns=CLOCK_COLUMNS, errors="ignore")
        for role in ("actor", "learner", "evaluator")
    }


@pytest.fixture(scope="module")
def small() -> Experiment:
    return experiment(steps=900)


@pytest.fixture(scope="module")
def first(small, tmp_path_factory) -> RunFolder:
    return run(small, tmp_path_factory.mktemp("runs") / "first")


def test_the_same_seed_gives_the_same_run_bit_for_bit(small, first, tmp_path):
    second = run(small, tmp_path / "second")
    parameters = [
        learner_checkpoints.newest(folder.checkpoints).policy_parameters()
        for folder in (first, second)
    ]
    assert parameters[0].tobytes() == parameters[1].tobytes()
    for role, table in tables(first).items():
        pd.testing.assert_frame_equal(table, tables(second)[role], check_exact=True)


@pytest.mark.usefixtures("shared_learners")
def test_a_run_with_pink_noise_is_another_one_and_the_same_each_time(small, first, tmp_path):
    pink = dataclasses.replace(
        small, agent_config=dataclasses.replace(small.agent_config, action_noise="pink")
    )
    one, same = (
        learner_checkpoints.newest(run(pink, tmp_path / name).checkpoints).policy_parameters()
        for name in ("one", "same")
    )
    assert one.tobytes() == same.tobytes()
    white = learner_checkpoints.newest(first.checkpoints).policy_parameters()
    assert one.tobytes() != white.tobytes()


# That another seed gives another run, tests/api/test_train.py shows, with two in threads.
def test_the_run_is_as_long_as_was_asked_for(small, first):
    counts = learner_checkpoints.newest(first.checkpoints).counts()
    # Whole steps of 8 environments; a gradient step for each transition after the first 500, in
    # calls of 10.
    assert small.steps <= counts.actor_steps < small.steps + 8
    assert counts.actor_steps - 500 - 10 < counts.learner_steps <= counts.actor_steps - 500
    # Episodes of 10 steps.
    assert counts.episodes == counts.actor_steps // 80 * 8


def test_metrics_are_those_of_any_engine(first):
    actors, learner, evaluator = tables(first).values()
    assert set(actors["actor"]) == {0, 1}
    assert (
        actors["episodes"].sum() == learner_checkpoints.newest(first.checkpoints).counts().episodes
    )
    assert learner["learner_steps"].is_monotonic_increasing
    assert len(evaluator) == 20
    assert evaluator["actor_steps"].diff().dropna().between(40, 56).all()


@pytest.mark.usefixtures("shared_learners")
def test_a_signal_ends_it_with_a_checkpoint(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()

    def interrupt(status):
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = make("serial", ProcessContext({})).run(
        experiment(steps=10**8, evaluation_period=10**8), folder, interrupt
    )
    assert result.outcome is Outcome.STOPPED
    assert learner_checkpoints.newest(folder.checkpoints).counts().actor_steps < 10**6
    assert signal.getsignal(signal.SIGINT) is before


def test_a_failure_is_its_own_error_and_leaves_no_threads(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    before = threading.active_count()
    failing = experiment(environment="tests.launch.factories:fails_later")
    with pytest.raises(RuntimeError, match="the environment's own error"):
        make("serial", ProcessContext({})).run(failing, folder, lambda status: None)
    assert threading.active_count() == before


def test_code_that_exits_is_a_failure_whatever_its_status(small, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.create()

    def leave(self, superbatch):
        sys.exit(0)

    monkeypatch.setattr(Learner, "step", leave)
    with pytest.raises(RuntimeError, match="ended before its last step by SystemExit: 0"):
        make("serial", ProcessContext({})).run(small, folder, lambda status: None)


@pytest.mark.usefixtures("shared_learners")
def test_what_breaks_now_and_then_is_dropped_and_the_run_goes_on_as_ever(tmp_path):
    # It breaks in every 255th of an environment's steps.
    of = experiment(
        environment="tests.launch.factories:fails_now_and_then",
        steps=900,
        num_actors=1,
        environments_per_actor=1,
        evaluation_period=500,
        samples_per_insert=8.0,
        replay_checkpoint_period_s=0.0,
    )
    folders = [run(of, tmp_path / name) for name in ("first", "second")]
    for folder in folders:
        actors = tables(folder)["actor"]
        assert actors["dropped_episodes"].sum() == 3
        assert (
            actors["episodes"].sum()
            == learner_checkpoints.newest(folder.checkpoints).counts().episodes
        )
        events = [json.loads(line) for line in folder.events.read_text().splitlines()]
        assert [(e["event"], e["node"]) for e in events] == [("episode_dropped", "actor-0")] * 3
        assert (tables(folder)["evaluator"]["dropped_episodes"] == 0).all()
    parameters = [
        learner_checkpoints.newest(folder.checkpoints).policy_parameters() for folder in folders
    ]
    assert parameters[0].tobytes() == parameters[1].tobytes()


def test_a_learner_that_diverges_goes_back_once_and_then_is_the_error(tmp_path):
    small = experiment(steps=10**6, checkpoint_period_s=1e-9)
    config = parsing.override(small.agent_config, {"learning_rate": "1e30"})
    with pytest.raises(DivergedError, match=r"the losses .*has not helped.*learning_rate"):
        run(dataclasses.replace(small, agent_config=config), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    saved = learner_checkpoints.newest(folder.checkpoints)
    assert np.isfinite(saved.policy_parameters()).all()
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert [event["event"] for event in events] == ["gradient_steps_skipped", "rolled_back"]
    assert events[1]["checkpoint"] == saved.path.name


def test_a_full_replay_is_said_once_and_measured(tmp_path):
    small = experiment(steps=1200, replay_checkpoint_period_s=0.0)
    config = parsing.override(small.agent_config, {"max_replay_size": "600"})
    folder = run(dataclasses.replace(small, agent_config=config), tmp_path / "run")
    # With a period of 0, nothing of it is saved.
    assert not folder.replay.exists()
    learner = pd.read_csv(folder.metrics("learner"))
    assert learner["replay_size"].is_monotonic_increasing
    assert learner["replay_size"].iloc[-1] == 600
    assert (learner[["waiting", "skipped_steps", "rollbacks", "skipped_checkpoints"]] == 0).all(
        None
    )
    assert [json.loads(line)["event"] for line in folder.events.read_text().splitlines()] == [
        "replay_full"
    ]
