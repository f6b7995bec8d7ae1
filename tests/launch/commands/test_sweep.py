from __future__ import annotations

import dataclasses
import functools
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest

from quinoa.agents.maxent_irl import sources
from quinoa.launch import presets
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.commands import sweep as sweep_of_runs
from quinoa.launch.commands.base import UsageError
from quinoa.launch.commands.running import planned_runs
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.of_agents import make_demonstration_agent
from quinoa.launch.experiment.saved import load
from quinoa.launch.run.counts import Counts
from quinoa.launch.storage import lock
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.sweep import runner
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState
from tests.launch import forked
from tests.launch.helpers import AGENT_SETTINGS, MATCH, ROOT, learner_steps, started, wait_until

ROADS = "roads:3x3,routes=10,destinations=2,shortest=2,costs=0.5"
FAILS = "tests.launch.factories:fails_later"
SETTINGS = [
    *(f"--set={name}={value}" for name, value in AGENT_SETTINGS.items() if "rate" not in name),
    *("--engine=serial", "--environments_per_actor=4", "--samples_per_insert=64"),
    *("--steps_per_call=10", "--evaluation_episodes=2"),
]


def sweep_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "quinoa.launch.cli", "sweep", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return forked.run(sweep_command(*arguments), cwd=ROOT, timeout=280)


def children_of(folder) -> list[psutil.Process]:
    """The processes of a sweep's runs that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            is_run = str(folder) in " ".join(process.cmdline())
            if is_run and "quinoa.launch.machine.termination" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.long
def test_runs_all_compares_them_and_survives_one_that_fails(tmp_path, quinoa, monkeypatch):
    folder = tmp_path / "sweep"
    # In this process, and from the folder in which this module has its name.
    monkeypatch.chdir(ROOT)
    with forked.starting(runner):
        status, out, err = quinoa(
            "sweep",
            f"--env={MATCH},{FAILS}",
            "learning_rate=3e-3",
            f"--folder={folder}",
            "--at_once=2",
            "--steps=700",
            *SETTINGS,
            "--",
            "--evaluation_period",
            "100",
        )
    sweep = SweepFolder(folder)
    plan = sweep.load()
    states = [sweep.state(planned) for planned in plan]
    assert states == [SweepRunState.FINISHED, SweepRunState.FAILED], err
    assert status == 1
    assert "1 of 2 runs failed. To try again" in err.splitlines()[-1]
    assert re.search(r"failed: .*the environment's own error", err)
    assert not children_of(folder)
    # Settings reached the runs.
    rates = [getattr(load(sweep.run(p)).agent_config, "learning_rate") for p in plan]  # noqa: B009
    assert rates == [3e-3] * 2
    table = pd.read_csv(sweep.table.with_suffix(".csv"))
    assert set(table["finished"]) == {"1 of 1", "0 of 1"}
    assert f"| {MATCH} " in out and f"| {FAILS} " in out
    assert sweep.picture.is_file()
    # Finished ones are left alone, and failed ones too unless asked for.
    before = sweep.run(plan[0]).result.stat().st_mtime_ns
    logs = [sweep.log(planned).stat().st_size for planned in plan]
    status, _, _ = quinoa("sweep", f"--resume={folder}")
    assert status == 1
    assert [sweep.log(planned).stat().st_size for planned in plan] == logs
    with forked.starting(runner):
        status, _, err = quinoa("sweep", f"--resume={folder}", "--retry_failed", "--at_once=2")
    assert status == 1, err
    after = [sweep.log(planned).stat().st_size for planned in plan]
    assert after[0] == logs[0] and after[1] > logs[1]
    assert sweep.run(plan[0]).result.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ("m_iq", "control:cheetah:run", 1_000_000)),
        (
            ["--env=control:walker:run", "--steps=5e5"],
            ("m_iq", "control:walker:run", 500_000),
        ),
        (["--agent=iq"], ("iq", "control:cheetah:run", 1_000_000)),
    ],
)
def test_a_presets_agent_task_and_steps_hold_where_flags_do_not_say(given, expected):
    values = sweep_of_runs.COMMAND.flags()
    values(["quinoa sweep", "--preset=dm_control/m_iq", *given])
    (run,) = sweep_of_runs._planned(values, ["tau=0.5"], presets.load("dm_control/m_iq"))
    experiment, _ = planned_runs.experiment_of(run, {})
    assert (experiment.agent, experiment.environment, experiment.steps) == expected
    assert run.steps == experiment.steps
    config = dataclasses.asdict(experiment.agent_config)
    assert (config["tau"], config["target_rate"]) == (0.5, 0.02)


def test_without_an_agent_tasks_have_their_recommended_preset(capsys):
    """As with train."""
    values = sweep_of_runs.COMMAND.flags()
    values(["quinoa sweep", "--env=control:walker:run,control:cheetah:run"])
    preset = sweep_of_runs._preset(values)
    assert preset is not None and preset.name in capsys.readouterr().out
    planned = sweep_of_runs._planned(values, [], preset)
    assert len(planned) == 2
    for run in planned:
        experiment, _ = planned_runs.experiment_of(run, {})
        assert experiment.agent == "iq"
        assert dataclasses.asdict(experiment.agent_config)["layer_norm"]


@pytest.mark.parametrize("given", [[], ["--agent=iq", "--env=control:walker:run"]])
def test_a_recommended_preset_is_for_tasks_without_an_agent(given):
    values = sweep_of_runs.COMMAND.flags()
    values(["quinoa sweep", *given])
    assert sweep_of_runs._preset(values) is None


def test_tasks_with_different_recommended_presets_are_refused():
    values = sweep_of_runs.COMMAND.flags()
    values(["quinoa sweep", "--env=control:walker:run,gym:Pendulum-v1"])
    with pytest.raises(UsageError, match=r"gym:Pendulum-v1: none\): say what is to learn"):
        sweep_of_runs._preset(values)


def test_without_steps_each_run_has_the_default():
    values = sweep_of_runs.COMMAND.flags()
    values(["quinoa sweep"])
    (run,) = sweep_of_runs._planned(values, [], None)
    assert run.steps == planned_runs.experiment_of(run, {})[0].steps == 220_000


@pytest.mark.long
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_has_the_runs_save_and_leaves_nothing_behind(tmp_path, number):
    folder = tmp_path / "sweep"
    sweep = SweepFolder(folder)
    # Its learner first reports after a two-hundredth of its steps.
    command = sweep_command(
        f"--env={MATCH}", "--seeds=0:2", f"--folder={folder}", "--at_once=1", "--steps=1e5"
    )
    with started([*command, *SETTINGS], is_forked=True) as process:
        assert wait_until(
            lambda: (
                sweep.description.is_file() and learner_steps(sweep.run(sweep.load()[0]).root) > 20
            ),
            timeout_s=240,
        )
        # As a terminal does: to all of the group in its foreground.
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "2 of 2 runs did not come to their end. To resume" in out
    assert not children_of(folder)
    plan = sweep.load()
    states = [sweep.state(planned) for planned in plan]
    assert states == [SweepRunState.INTERRUPTED, SweepRunState.WAITING]
    assert read_json(sweep.run(plan[0]).result)["outcome"] == "stopped"
    assert list(sweep.run(plan[0]).checkpoints.iterdir())


@pytest.mark.slow
def test_a_killed_sweep_takes_its_runs_along_and_goes_on_from_where_they_were(tmp_path):
    folder = tmp_path / "sweep"
    sweep = SweepFolder(folder)
    command = sweep_command(f"--env={MATCH}", f"--folder={folder}", "--steps=4000", *SETTINGS)
    with started(command) as process:
        assert wait_until(
            lambda: (
                sweep.description.is_file() and learner_steps(sweep.run(sweep.load()[0]).root) > 20
            ),
            timeout_s=240,
        )
        process.kill()
        assert wait_until(lambda: not children_of(folder))
    (planned,) = sweep.load()
    assert sweep.state(planned) is SweepRunState.INTERRUPTED
    done = run(f"--resume={folder}")
    assert done.returncode == 0, done.stderr
    assert sweep.state(planned) is SweepRunState.FINISHED
    assert "Resuming from" in sweep.log(planned).read_text()


@pytest.mark.long
def test_agents_without_actors_are_swept_and_go_on_from_where_they_were(
    tmp_path, quinoa, monkeypatch
):
    folder = tmp_path / "sweep"
    sweep = SweepFolder(folder)
    sources.write(ROADS, tmp_path / "routes.npz", seed=0)
    monkeypatch.chdir(tmp_path)
    with forked.starting(runner):
        status, out, err = quinoa(
            "sweep",
            *("--agent=maxent_irl", "--demonstrations=routes.npz", "regularization=0.01,1"),
            *(f"--folder={folder}", "--engine=serial", "--steps=6", "--at_once=2"),
        )
    assert status == 0, err
    plan = sweep.load()
    assert [(run.steps, run.unit, run.task) for run in plan] == [
        (6, "learner_steps", "demonstrations")
    ] * 2
    assert "mean held-out log-likelihood (mean ± std)" in out
    assert "finished, mean held-out log-likelihood -" in err
    table = pd.read_csv(sweep.table.with_suffix(".csv"))
    assert table["demonstrations"].tolist() == ["routes.npz"] * 2
    assert table["mean"].is_monotonic_decreasing and table["mean"].notna().all()
    assert sweep.picture.is_file()
    # A run that was killed after its third step, and one that had not begun.
    first, second = map(sweep.run, plan)
    expected = learner_checkpoints.newest(first.checkpoints).policy_parameters()
    first.result.unlink()
    shutil.rmtree(learner_checkpoints.newest(first.checkpoints).path)
    agent = make_demonstration_agent(load(first))
    for _ in range(3):
        agent.gradient_step(lambda: None)
    learner_checkpoints.save(first.checkpoints, agent, Counts())
    shutil.rmtree(second.root)
    assert [sweep.state(run) for run in plan] == [
        SweepRunState.INTERRUPTED,
        SweepRunState.WAITING,
    ]
    # From another folder: what was named is found all the same.
    monkeypatch.chdir(ROOT)
    with forked.starting(runner):
        status, _, err = quinoa("sweep", f"--resume={folder}")
    assert status == 0, err
    assert [sweep.state(run) for run in plan] == [SweepRunState.FINISHED] * 2
    found = learner_checkpoints.newest(first.checkpoints).policy_parameters()
    np.testing.assert_array_equal(found, expected)
    pd.testing.assert_frame_equal(pd.read_csv(sweep.table.with_suffix(".csv")), table)


@pytest.fixture
def sweep_here(quinoa, monkeypatch, tmp_path):
    """Runs a sweep in this process, from an empty folder; gives its status, output and errors."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(quinoa, "sweep")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["learning_rat=1,2"], "no field 'learning_rat'. Did you mean learning_rate"),
        (["--grid", "learning_rate=1,fast"], "learning_rate = 'fast' cannot work"),
        (["learning_rate=log:1e-4:1e-2"], "give --random=N"),
        (["--random=3"], "name some"),
        (["--seeds=2:1"], "--seeds=2:1 cannot be understood"),
        (["seed=1,2"], "seed is no setting for a sweep to vary: give --seeds."),
        (["tau"], "must be NAME=VALUE"),
        (["--agent=nobody"], "There is no agent 'nobody'"),
        (["--agent=maxent_irl"], "learns from demonstrations alone: give some, --demonstrations"),
        (["--agent=iq,maxent_irl"], "maxent_irl learns from demonstrations alone, and is compared"),
        (["--agent=maxent_irl", "--env=toy:Taxi-v3", f"--demonstrations={ROADS}"], "leave --env"),
        (["--agent=maxent_irl", "--demonstrations=a.npz"], "There is no file of routes at "),
        (["--env=control:cheeta:run"], "Did you mean control:cheetah:run?"),
        (["--steps=1000"], "ends before the first gradient step"),
        (["num_actors=1,0"], "num_actors=0: it must be a whole number"),
        (["steps=1000,many"], "steps = 'many' cannot work: it must be a whole number"),
        (["steps=nan,1000"], "steps = 'nan' cannot work: it must be a whole number"),
        (["--", "--num_actor=3"], "num_actor"),
        (["--retry_failed"], "give --resume too"),
        (["--resume=nowhere"], "/nowhere: it holds no sweep.json"),
        (["--resume=nowhere", "--steps=3"], "leave --steps out"),
        (["--resume=nowhere", "tau=3"], "leave tau=3 out"),
        (["--engine=serial", "--samples_per_insert=0"], "samples_per_insert above 0"),
        (["--require_private", "--noprivate_network"], "require_private"),
        (["--wandb=mine"], "wandb"),
        (["tau=,"], "has no value"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_nothing_is_started(
    sweep_here, tmp_path, arguments, message
):
    status, _, err = sweep_here(*arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_one_bad_combination_of_many_is_found_before_anything_starts(sweep_here, tmp_path):
    status, _, err = sweep_here(f"--env={MATCH}", "tau=0.1,0.2,-1", *SETTINGS, "--steps=700")
    assert (status, err.count("\n")) == (2, 1)
    assert "tau = -1.0 cannot work" in err
    assert not list(tmp_path.iterdir())


def test_a_sweep_is_resumed_in_the_folder_that_it_was_started_in(sweep_here, tmp_path, monkeypatch):
    def run_all(*arguments, folder, **options):
        raise ExperimentError(f"in {folder}.")

    monkeypatch.setattr(runner, "run_all", run_all)
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    work = tmp_path / "work"
    sweep.save([], 1, [], work)
    # Not if it is gone.
    for where in (tmp_path, work):
        _, _, err = sweep_here(f"--resume={sweep.root}")
        assert f"in {where}." in err
        work.mkdir(exist_ok=True)


def test_two_sweeps_in_one_folder_are_one_line(sweep_here, tmp_path):
    write_json(tmp_path / "sweep.json", {"at_once": 1, "runs": []})
    with lock.locked(tmp_path, "held"):
        status, _, err = sweep_here(f"--resume={tmp_path}")
    assert (status, err.count("\n")) == (2, 1)
    assert "is in use by a sweep" in err


def test_help_shows_its_own_flags_first_and_those_of_train(sweep_here):
    status, out, _ = sweep_here("--help")
    assert status == 0
    assert out.index("--grid=") < out.index("--samples_per_insert=")
    assert "--[no]resume_replay" not in out


def test_a_run_that_was_killed_before_it_was_described_is_started_anew(tmp_path, monkeypatch):
    sweep = SweepFolder(tmp_path / "sweep")
    sweep.create()
    plan = [PlannedRun("one", {"agent": "iq", "env": MATCH}, 0, 700, ("--seed=0",))]
    folder = sweep.run(plan[0])
    folder.create()
    write_json(folder.processes, {"pid": 1})
    (folder.root / f".{folder.experiment.name}.{os.getpid()}.tmp").touch()
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: started.append(command))
    runner._start(sweep, plan[0], {}, tmp_path)
    assert started[0][-2:] == ["--seed=0", f"--folder={folder.root}"]
    assert not folder.root.exists()
