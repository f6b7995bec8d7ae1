from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

from quinoa.agents import registry
from quinoa.launch import cli, presets
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.commands import train
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running.new_experiment import make_experiment
from quinoa.launch.experiment.saved import load
from quinoa.launch.machine.sizing import LearnerHost
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.environments import packages
from tests.launch import forked
from tests.launch.helpers import MATCH, ROOT, train_command
from tests.launch.runs import make_run
from tests.launch.written_runs import write_run

pytestmark = pytest.mark.usefixtures("same_environment_variables", "shared_learners")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "there is no command trian. Did you mean train?"),
        (["--agent=x"], "there is no flag --agent=x."),
        (["train", "--num_actor=2"], "no flag --num_actor. Did you mean --num_actors?"),
        (["train", "--zzz"], "train has no flag --zzz. See quinoa train --help."),
        (["train", "extra"], "train takes flags only, not extra."),
        (["train", "--steps=many"], "--steps=many: it must be a whole number, at least 1"),
        (["train", "--steps=0"], "--steps=0: it must be a whole number"),
        (["train", "--steps=1.5"], "--steps=1.5: it must be a whole number"),
        (["train", "--steps=inf"], "--steps=inf: it must be a whole number"),
        (["train", "--steps"], "steps"),
        (["train", "--seed=-1"], "--seed=-1: it must be a whole number, at least 0"),
        (["train", "--engine=cloud"], "one of <local|ray|serial>"),
        (["train", "--require_private", "--noprivate_network"], "contradict each other"),
        (["train", "--samples_per_insert=-1"], "samples_per_insert"),
        (["train", "--samples_per_insert=0", "--engine=serial"], "samples_per_insert above 0"),
        (["train", "--set", "tau"], "--set 'tau' cannot be understood: it must be NAME=VALUE."),
        (["train", "--set=a=1", "--set=a=2"], "--set gives 'a' twice: '1' and '2'."),
        (["train", "--set=learning_rat=1"], "no field 'learning_rat'. Did you mean learning_rate"),
        (
            ["train", "--set=steps=5"],
            "steps is a flag and no setting of the agent: --steps=5 in place",
        ),
        (["train", "--set=learning_rate=fast"], "learning_rate = 'fast' cannot work"),
        (["train", "--set=learning_rate=-1"], "learning_rate = -1.0 cannot work"),
        (["train", "--preset=gym/m_iqq"], "no preset 'gym/m_iqq'. Did you mean gym/m_iq"),
        (["train", "--preset=gym/iq", "--agent=quinoa"], "which quinoa does not have"),
        (["train", "--preset=gym/iq", "--resume=a"], "--preset is for a new run"),
        (["train", "--agent=nobody"], "There is no agent 'nobody'"),
        (["train", "--agent=os.path"], "os.path"),
        (["train", "--env=control:cheeta:run"], "Did you mean control:cheetah:run?"),
        (["train", "--env=nonsense"], "There is no environment 'nonsense'"),
        (["train", "--env=tests.launch.factories:fails_at_once"], "ZeroDivisionError"),
        (["train", "--steps=1000"], "ends before the first gradient step"),
        (["evaluate"], "evaluate takes the folder of one run."),
        (["evaluate", "a", "b"], "evaluate takes the folder of one run, not a b."),
        (["evaluate", "/nowhere"], "There is no run at /nowhere"),
        (["evaluate", "/nowhere", "--episodes=0"], "--episodes=0: it must be a whole number"),
        (["status"], "status takes the folder of one run or sweep."),
        (["status", "/nowhere"], "There is no run at /nowhere"),
        (["plot"], "plot takes the folders of one run or more."),
        (["plot", "/nowhere"], "There is no run at /nowhere"),
        (["policy"], "policy takes the folder of one run."),
        (["policy", "a", "b"], "policy takes the folder of one run, not a b."),
        (["policy", "/nowhere"], "There is no run at /nowhere"),
        (["policy", "/nowhere", "--step=-1"], "--step=-1: it must be a whole number, at least 0"),
        (["policy", "/nowhere", "--step=1,x"], "--step=1,x: it must be a whole number, at least 0"),
        (["policy", "x", "--step=1", "--observation=a.npy"], "give one of them."),
        (["video"], "video takes the folder of one run."),
        (["video", "/nowhere"], "There is no run at /nowhere"),
        (["export"], "export takes the folder of one run."),
        (["export", "/nowhere"], "There is no run at /nowhere"),
        (["policy", "/nowhere", "--actions=2"], "--actions=2: it must be a whole number, at least"),
        (["check"], "check takes one agent or environment"),
        (["check", "m_iqq"], "Did you mean m_iq"),
        (["check", "Pendulum-v1"], "Did you mean gym:Pendulum-v1?"),
        (["check", "no_such_package.agent"], "no module 'no_such_package'"),
        (["check", "control:cheeta:run"], "Did you mean control:cheetah:run?"),
        (["check", "tests.launch.factories:mach"], "has no mach. Did you mean match"),
        (["check", "iq", "--env=nonsense"], "There is no environment 'nonsense'"),
        (["check", "iq", "--set=tau=none"], "tau = 'none' cannot work"),
        (["list", "a", "b"], "list takes nothing, or one agent or preset, not a b."),
        (["list", "FAST"], "There is no agent 'FAST'."),
        (["list", "gym/m_iqq"], "no preset 'gym/m_iqq'. Did you mean gym/m_iq?"),
        (["list", "none.toml"], "none.toml cannot be read: No such file or directory."),
        (["train", "--preset=none.toml"], "none.toml cannot be read: No such file or directory."),
    ],
)
def test_input_that_cannot_work_is_one_line_and_status_2(quinoa, tmp_path, arguments, message):
    root = tmp_path / "run"
    folder = [f"--folder={root}"] if arguments[0] == "train" else []
    status, out, err = quinoa(*arguments, *folder)
    assert status == 2
    assert out == ""
    assert err.startswith("quinoa: ")
    assert err.count("\n") == 1
    assert message in err
    assert not root.exists()


LONG = "x" * 300


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> RunFolder:
    """A run that nobody has trained."""
    return make_run(tmp_path_factory.mktemp("made") / "run", MATCH, "iq")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--engine=serial", "--steps=3000", f"--env={MATCH}", f"--folder={LONG}"],
        ["train", f"--resume={LONG}"],
        ["train", f"--preset={LONG}"],
        ["sweep", f"--resume={LONG}"],
        ["status", LONG],
        ["evaluate", LONG],
        ["evaluate", "RUN", f"--json={LONG}"],
        ["video", LONG],
        ["video", "RUN", f"--out={LONG}.gif"],
        ["policy", LONG],
        ["policy", "RUN", f"--out={LONG}"],
        ["policy", "RUN", f"--observation={LONG}.npy"],
        ["export", LONG],
        ["export", "RUN", f"--out={LONG}"],
        ["plot", LONG],
        ["plot", "RUN", f"--out={LONG}"],
        ["plot", "RUN", f"--table={LONG}"],
        ["plot", "RUN", "--normalize", f"--baseline={LONG}"],
    ],
)
def test_a_name_that_is_too_long_is_one_line_and_status_2(
    quinoa, tmp_path, arguments, monkeypatch, made
):
    monkeypatch.chdir(tmp_path)
    if "RUN" in arguments:
        shutil.copytree(made.root, tmp_path / "RUN")
    if arguments[0] == "plot" and "RUN" in arguments:
        write_run(tmp_path / "RUN2")
        arguments = ["RUN2" if argument == "RUN" else argument for argument in arguments]
    before = sorted(tmp_path.rglob("*"))
    status, out, err = quinoa(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert LONG in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", f"--env={MATCH}", "--steps=3000", "--folder=new"],
        ["train", f"--env={MATCH}", "--steps=3000", "--folder=new", "--engine=serial"],
        ["sweep", f"--env={MATCH}", "--steps=3000", "--folder=new"],
        ["check", MATCH],
        ["evaluate", "run"],
        ["policy", "run"],
        ["video", "run"],
        ["export", "run"],
        ["plot", "run"],
    ],
)
def test_a_full_temporary_folder_is_one_line_and_status_2(
    quinoa, tmp_path, monkeypatch, small_disk, arguments
):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    status, out, err = quinoa(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"The temporary folder {small_disk} cannot be used (No space left on device)" in err
    assert "TMPDIR" in err
    assert not list(folder.iterdir()) and not list(small_disk.iterdir())


def test_a_current_folder_that_is_gone_is_one_line(quinoa, tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    status, out, err = quinoa("list")
    assert (status, out) == (2, "")
    assert err == "quinoa: the current folder is gone: change to another one.\n"


def test_a_folder_that_is_taken_is_status_2(quinoa, tmp_path):
    (tmp_path / "experiment.json").write_text("{}")
    status, _, err = quinoa("train", f"--folder={tmp_path}")
    assert (status, err.count("\n")) == (2, 1)
    assert "already holds a run" in err


def test_help_is_for_people_and_has_only_what_is_theirs(quinoa):
    status, out, _ = quinoa("--help")
    assert status == 0
    for command in cli._COMMANDS:
        assert command in out
        status, help_text, _ = quinoa(command, "--help")
        assert status == 0
        assert help_text.startswith(f"usage: quinoa {command}")
        # Flags of absl, Launchpad and others.
        for foreign in ("--helpfull", "--flagfile", "lp_", "logtostderr", "pdb"):
            assert foreign not in help_text
        assert all(len(line) <= 100 for line in help_text.splitlines())
    _, out, _ = quinoa("train", "--help")
    assert "(default: control:cartpole:swingup)" in out
    assert "--[no]evaluation_sample" in out
    assert all(preset.name in out for preset in presets.every())


def test_it_says_its_version(quinoa):
    status, out, _ = quinoa("--version")
    assert status == 0
    assert re.fullmatch(r"quinoa \d+\.\d+\.\d+\n", out)


def test_without_a_command_shows_help_and_fails(quinoa):
    status, out, _ = quinoa()
    assert status == 2
    assert "usage: quinoa COMMAND" in out


def test_help_comes_at_once():
    start = time.process_time()
    children = os.times().children_user
    command = [sys.executable, "-X", "importtime", "-m", "quinoa.launch.cli", "train", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"tensorflow", "numpy", "launchpad", "reverb"}
    assert os.times().children_user - children + time.process_time() - start < 5


def test_list_shows_agents_default_first_and_environments(quinoa):
    status, out, err = quinoa("list")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split()[0] == registry.DEFAULT_AGENT
    for name, _ in registry.names():
        assert any(line.split()[:1] == [name] for line in lines)
    assert "  control:cheetah:run" in lines
    assert any(line.startswith("  gym:HalfCheetah") for line in lines)
    assert "  adroit:door" in lines
    for preset in presets.every():
        assert any(line.split()[:1] == [preset.name] for line in lines)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "json.decoder",
            "FAILED  it is a module with Agent and Config: .*json.decoder has no Agent",
        ),
        (
            "tests.launch.factories:fails_at_once",
            "FAILED  it is made, and has a .*ZeroDivisionError",
        ),
        (MATCH, "FAILED  a new episode follows the last step: step\\(\\) on a new environment"),
    ],
)
def test_a_check_that_fails_is_status_1_and_says_what_to_change(quinoa, name, message):
    status, out, err = quinoa("check", name, "--seconds=0")
    assert (status, err) == (1, "")
    assert re.search(message, out)
    assert "1 of " in out.splitlines()[-1]


def test_what_packages_declare_is_listed_trained_and_saved_by_its_import_path(
    quinoa, tmp_path, monkeypatch
):
    site = tmp_path / "site"
    packages.install(
        site,
        "cereals",
        f"[quinoa.agents]\nrye = quinoa.agents.iq\niq = a.b\n[quinoa.environments]\noats = {MATCH}",
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    _, out, _ = quinoa("list")
    assert "  rye  quinoa.agents.iq (from cereals)" in out.splitlines()
    assert f"  oats  {MATCH} (from cereals)" in out.splitlines()
    assert "  iq  a.b (from cereals; hidden by the built-in one: use the import path)" in out
    root = tmp_path / "run"
    command = train_command(root, "--engine=serial", "--steps=600", environment="oats")
    assert quinoa(*command[3:], "--agent=rye")[0] == 0
    saved = load(RunFolder(root))
    assert (saved.agent, saved.environment) == ("quinoa.agents.iq", MATCH)
    more = ("--agent=rye", "--env=oats", "--steps=1300", "--change=steps", "--engine=serial")
    assert quinoa("train", f"--resume={root}", *more)[0] == 0
    # Without the package.
    monkeypatch.setattr(sys, "path", sys.path[:-1])
    assert quinoa("evaluate", str(root), "--episodes=1")[0] == 0


def test_numbers_may_be_written_as_people_do():
    values = train_flags.define()
    cli._parse("train", values, ["--steps=1e6", "--num_actors", "4", "--seed=0"])
    assert (values.steps, values.num_actors, values.seed) == (1_000_000, 4, 0)
    values = train_flags.define()
    cli._parse("train", values, ["--steps=2_000", "--seed=2147483647"])
    assert (values.steps, values.seed) == (2000, 2147483647)


def test_flags_make_the_experiment(tmp_path):
    values = train_flags.define()
    text = (
        "--env=a:b --num_actors=3 --environments_per_actor=5 --steps=7 --seed=9 --action_repeat=2 "
        "--samples_per_insert=1.5 --steps_per_call=11 --evaluation_period=13 --set=tau=0.25 "
        "--evaluation_episodes=17 --evaluation_sample --learner_threads=19 --set batch_size=21 "
        "--checkpoint_period=23 --replay_checkpoint_period=29"
    )
    cli._parse("train", values, text.split())
    experiment = make_experiment(values, {})
    assert experiment.agent == registry.DEFAULT_AGENT
    assert experiment.environment == "a:b"
    assert experiment.learner_config.batch_size == 21
    assert getattr(experiment.agent_config, "tau") == 0.25  # noqa: B009 - not in every Config
    assert (experiment.num_actors, experiment.environments_per_actor) == (3, 5)
    assert (experiment.steps, experiment.seed, experiment.action_repeat) == (7, 9, 2)
    assert (experiment.samples_per_insert, experiment.steps_per_call) == (1.5, 11)
    assert (experiment.evaluation_period, experiment.evaluation_episodes) == (13, 17)
    assert experiment.evaluation_sample
    assert (experiment.learner_threads, experiment.checkpoint_period_s) == (19, 23)
    assert experiment.replay_checkpoint_period_s == 29


def test_sizes_are_chosen_where_they_are_not_given_and_said_in_one_line():
    values = train_flags.define()
    cli._parse("train", values, ["--samples_per_insert=0", "--learner_threads=1"])
    experiment = make_experiment(values, {})
    assert (experiment.environments_per_actor, experiment.steps_per_call) == (64, 50)
    assert train._described_sizes(vars(experiment)) == (
        "2 actors of 64 environments, 50 gradient steps a call, 1 thread for the learner"
    )


def test_how_many_threads_a_learner_has_on_a_cluster_is_not_this_machines_matter():
    values = train_flags.define()
    cli._parse("train", values, ["--engine=ray"])
    experiment = make_experiment(values, {})
    assert experiment.learner_threads is None
    assert train._described_sizes(vars(experiment)).endswith(
        ", as many threads as fit for the learner"
    )
    cli._parse("train", values, ["--engine=ray", "--learner_threads=3"])
    assert make_experiment(values, {}).learner_threads == 3


def test_other_sizes_are_for_the_host_that_the_learner_will_have():
    values = train_flags.define()
    cli._parse("train", values, ["--engine=ray"])
    experiment = make_experiment(values, {}, learner_host=lambda of: LearnerHost(8, gpu=True))
    assert (experiment.steps_per_call, experiment.learner_threads) == (200, None)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    """A run of the serial engine, started from the command line."""
    root = tmp_path_factory.mktemp("runs") / "run"
    command = train_command(
        root, "--engine=serial", "--steps=900", "--seed=5", "--preset=dm_control/iq"
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(command[3:])
    assert status == 0, err.getvalue()
    assert "Return of the final policy" in out.getvalue()
    assert "warning" not in err.getvalue().lower()
    return RunFolder(root)


def test_a_run_is_all_there(run):
    experiment = load(run)
    assert (experiment.environment, experiment.steps, experiment.seed) == (MATCH, 900, 5)
    assert experiment.preset == "dm_control/iq"
    assert read_json(run.result)["outcome"] == "finished"
    assert len(read_json(run.result)["final_returns"]) == 10
    assert run.learning_curve.is_file()


def test_evaluates_a_run_repeatably(quinoa, run):
    status, first, err = quinoa("evaluate", str(run.root), "--episodes=4")
    assert (status, err) == (0, "")
    assert "(4 episodes, the policy's mode)" in first
    assert quinoa("evaluate", str(run.root), "--episodes=4")[1] == first
    status, mean, _ = quinoa(
        "evaluate", str(run.root), "--episodes=4", "--deterministic_action=mean"
    )
    assert status == 0 and "(4 episodes, the policy's mean)" in mean
    assert mean.split()[1] != first.split()[1]
    assert quinoa("evaluate", str(run.root), "--episodes=4", "--seeds=8")[1] != first
    assert "sampled actions" in quinoa("evaluate", str(run.root), "--sample")[1]


def test_plots_runs(quinoa, run, tmp_path):
    out = tmp_path / "curve.png"
    status, printed, err = quinoa("plot", str(run.root), str(run.root), f"--out={out}")
    assert (status, printed, err) == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(b"\x89PNG")
    status, _, err = quinoa("plot", str(run.root), f"--out={tmp_path / 'curve.xyz'}")
    assert (status, err.count("\n")) == (2, 1)


def test_draws_the_policy_of_a_run_repeatably(quinoa, run, tmp_path):
    first, again, other = (tmp_path / "new" / f"{name}.png" for name in ("1", "2", "3"))
    arguments = ["policy", str(run.root), "--step=0,2", "--actions=50"]
    assert quinoa(*arguments, f"--out={first}") == (0, f"{first}\n", "")
    assert first.read_bytes().startswith(b"\x89PNG")
    assert quinoa(*arguments, f"--out={again}")[0] == 0
    assert again.read_bytes() == first.read_bytes()
    assert quinoa(*arguments, f"--out={other}", "--seed=8")[0] == 0
    assert other.read_bytes() != first.read_bytes()


def test_a_policy_picture_that_cannot_be_written_is_one_line(quinoa, run, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "policy.xyz", tmp_path / "file" / "policy.png"):
        status, printed, err = quinoa("policy", str(run.root), "--step=0", f"--out={out}")
        assert (status, printed, err.count("\n")) == (2, "", 1)
        assert re.search(rf"{re.escape(str(out))} cannot be (drawn|written): ", err)


def test_damaged_or_missing_checkpoints_are_one_line(quinoa, run):
    policies = [saved.path / "policy.npy" for saved in learner_checkpoints.all_of(run.checkpoints)]
    whole = [policy.read_bytes() for policy in policies]
    for policy in policies:
        policy.write_bytes(policy.read_bytes()[:-5])
    status, _, err = quinoa("evaluate", str(run.root))
    for policy, data in zip(policies, whole, strict=True):
        policy.write_bytes(data)
    assert (status, err.count("\n")) == (2, 1)
    assert "is damaged" in err
    away = run.root / "away"
    run.checkpoints.rename(away)
    status, _, err = quinoa("evaluate", str(run.root))
    away.rename(run.checkpoints)
    assert (status, err.count("\n")) == (2, 1)
    assert "no checkpoint" in err


def test_a_failure_in_the_serial_engine_ends_with_its_error(quinoa, tmp_path):
    root = tmp_path / "run"
    command = train_command(
        root, "--engine=serial", environment="tests.launch.factories:fails_later"
    )
    status, _, err = quinoa(*command[3:])
    assert status == 1
    assert "the environment's own error" in err.strip().splitlines()[-1]
    assert read_json(RunFolder(root).result)["outcome"] == "failed"


def without_a_reader(command: list[str]) -> tuple[int, str]:
    """Runs a command whose output nobody reads; its status and errors."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = forked.run(command, cwd=ROOT, stdout=write, timeout=120)
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["train", "--help"]])
def test_what_only_shows_something_may_lose_its_reader(arguments):
    assert without_a_reader([sys.executable, "-m", "quinoa.launch.cli", *arguments]) == (0, "")


def test_training_goes_on_without_a_reader(tmp_path):
    root = tmp_path / "run"
    command = train_command(root, "--engine=serial", "--steps=600")
    status, err = without_a_reader(command)
    assert status == 0, err
    assert len(read_json(RunFolder(root).result)["final_returns"]) == 10


def test_a_run_without_a_reader_keeps_its_failure(tmp_path):
    command = train_command(
        tmp_path / "run", "--engine=serial", environment="tests.launch.factories:fails_later"
    )
    status, err = without_a_reader(command)
    assert status == 1
    assert "the environment's own error" in err.strip().splitlines()[-1]


def test_help_says_what_steps_are(quinoa):
    _, out, _ = quinoa("train", "--help")
    text = " ".join(out.split())
    assert "actions over all environments of all actors, each of which lasts --action_rep" in text
