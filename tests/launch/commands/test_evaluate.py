from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch import cli
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment.saved import load
from quinoa.launch.run.counts import Counts
from quinoa.launch.storage.files import read_json
from tests.launch.factories import EPISODE_STEPS
from tests.launch.helpers import MATCH, ROOT
from tests.launch.runs import make_run

AGENT = "iq"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds=0,x"], "--seeds=0,x cannot be understood: they must be whole numbers"),
        (["--seeds=0,-1"], "--seeds=0,-1 cannot be understood: they must be whole numbers"),
        (["--seeds=3,3"], "--seeds=3,3 cannot be understood: 3 is there twice."),
        (["--seed=1"], "evaluate has no flag --seed. Did you mean --seeds?"),
        (["--checkpoint=5"], "There is no checkpoint of 5 learner steps"),
        (["--checkpoint=newest"], "--checkpoint=newest: it must be a whole number"),
        (["--json=/nowhere/at/all.json"], "--json=/nowhere/at/all.json cannot be written"),
    ],
)
def test_input_that_cannot_work_is_one_line(quinoa, run_of, flags, message):
    status, out, err = quinoa("evaluate", str(run_of(AGENT, MATCH).root), *flags)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("number", "status", "how"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended by SIGTERM")],
)
def test_a_signal_ends_it_with_a_line(quinoa, run_of, monkeypatch, tmp_path, number, status, how):
    from quinoa.launch.trained import evaluate

    def interrupted(*arguments, on_episodes, **options):
        on_episodes(2)
        signal.raise_signal(number)

    monkeypatch.setattr(evaluate, "evaluate_seeds", interrupted)
    path = tmp_path / "evaluation.json"
    before = signal.getsignal(signal.SIGTERM)
    found = quinoa("evaluate", str(run_of(AGENT, MATCH).root), "--seeds=1,2", f"--json={path}")
    said = f"quinoa: {how}: 2 of 20 episodes were played, and none of it is kept.\n"
    assert found == (status, "", said)
    assert not path.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_json_has_every_episode_and_what_they_were_played_with(quinoa, run_of, tmp_path):
    run, path = run_of(AGENT, MATCH), tmp_path / "evaluation.json"
    arguments = ["evaluate", str(run.root), "--episodes=3", "--seeds=4,7", "--sample"]
    status, out, err = quinoa(*arguments, f"--json={path}")
    assert (status, err) == (0, "")
    found = read_json(path)
    assert [episode["seed"] for episode in found["episodes"]] == [4] * 3 + [7] * 3
    returns = np.array([episode["return"] for episode in found["episodes"]])
    assert {episode["length"] for episode in found["episodes"]} == {EPISODE_STEPS}
    assert found["mean"] == pytest.approx(returns.mean())
    assert found["std"] == pytest.approx(returns.std())
    assert found["mean_by_seed"] == pytest.approx([returns[:3].mean(), returns[3:].mean()])
    assert found["mean_by_seed"][0] != found["mean_by_seed"][1]
    assert found["settings"] == {
        "episodes": 3,
        "seeds": [4, 7],
        "sample": True,
        "deterministic_action": "mode",
        "action_repeat": 1,
        "max_episode_steps": 100_000,
    }
    assert (found["agent"], found["environment"]) == (AGENT, MATCH)
    assert found["run"] == str(run.root)
    assert found["checkpoint"]["actor_steps"] == 10
    assert "Return with seed 4: " in out and "(6 episodes, sampled actions)" in out
    # Each seed alone gives what it gave among others.
    status, out, err = quinoa(*arguments[:3], "--seeds=7", "--sample", "--json=-")
    assert status == 0
    assert "(3 episodes, sampled actions)" in err
    assert json.loads(out)["episodes"] == found["episodes"][3:]


@pytest.fixture
def run_of_two(tmp_path):
    """A run with a checkpoint of 0 steps and one of 9."""
    run = make_run(tmp_path / "run", MATCH, AGENT)
    experiment = load(run)
    agent_class = registry.load(AGENT).agent_class
    learner = Learner(agent_class, experiment.learner_config, experiment.spec(), seed=1)
    learner._steps.assign(9)
    learner_checkpoints.save(run.checkpoints, learner, Counts(actor_steps=70))
    return run


def test_the_checkpoint_is_the_newest_or_the_one_that_is_named(quinoa, run_of_two):
    arguments = ["evaluate", str(run_of_two.root), "--episodes=2", "--json=-"]
    found = {
        flag: json.loads(quinoa(*arguments, flag)[1])
        for flag in ("--nosample", "--checkpoint=9", "--checkpoint=0")
    }
    assert [f["checkpoint"]["learner_steps"] for f in found.values()] == [9, 9, 0]
    assert found["--nosample"] == found["--checkpoint=9"]
    assert found["--checkpoint=0"]["episodes"] != found["--checkpoint=9"]["episodes"]
    _, _, err = quinoa(*arguments, "--checkpoint=8")
    assert "There is no checkpoint of 8 learner steps" in err
    assert "it has 0, 9." in err


def test_a_damaged_newest_checkpoint_gives_way_with_a_note(quinoa, run_of_two):
    newest = learner_checkpoints.newest(run_of_two.checkpoints).path
    (newest / "policy.npy").write_bytes(b"")
    arguments = ["evaluate", str(run_of_two.root), "--episodes=2", "--json=-"]
    status, out, err = quinoa(*arguments)
    assert status == 0
    assert json.loads(out)["checkpoint"]["learner_steps"] == 0
    assert "quinoa: note: The checkpoint" in err and "is damaged" in err
    status, out, err = quinoa(*arguments, "--checkpoint=9")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "is damaged" in err


def test_standard_output_holds_the_json_and_nothing_that_environments_print(tmp_path, run_of):
    run = run_of(AGENT, "tests.launch.factories:talkative").root
    arguments = ["evaluate", str(run), "--episodes=2", "--seeds=0:2", "--json=-"]
    out, err = tmp_path / "out", tmp_path / "err"
    # Files, for C keeps what it prints to a file until its buffer is full or its process ends.
    with out.open("w") as to_out, out.open() as from_out, err.open("w") as to_err:
        kept = os.dup(1), os.dup(2)
        try:
            os.dup2(to_out.fileno(), 1)
            os.dup2(to_err.fileno(), 2)
            with (
                open(1, "w", closefd=False) as stdout,
                open(2, "w", closefd=False) as stderr,
                contextlib.redirect_stdout(stdout),
                contextlib.redirect_stderr(stderr),
            ):
                assert cli.main(arguments) == 0
                print("after it")
        finally:
            for number, before in enumerate(kept, start=1):
                os.dup2(before, number)
                os.close(before)
        found, end = json.JSONDecoder().raw_decode(from_out.read())
        from_out.seek(0)
        assert from_out.read()[end:] == "\nafter it\n"
    assert found["settings"]["seeds"] == [0, 1]
    said = err.read_text().splitlines()
    for line in (
        "a print of Python",
        "a print of C",
        "a write to file descriptor 1",
        "another process",
    ):
        assert line in said
    assert any(line.startswith("Return: ") for line in said)


def test_a_result_that_cannot_be_written_to_standard_output_is_one_line(run_of, capsys):
    run = run_of(AGENT, MATCH).root
    with open("/dev/full", "w") as full, contextlib.redirect_stdout(full):
        status = cli.main(["evaluate", str(run), "--episodes=1", "--json=-"])
    err = capsys.readouterr().err.splitlines()
    assert status == 1
    assert err[-1] == (
        "quinoa: The result cannot be written to standard output: No space left on device."
    )
    assert len(err) == 2


def test_a_command_works_where_its_standard_streams_are_closed():
    command = [sys.executable, "-m", "quinoa.launch.cli", "--help"]
    shell = f"{shlex.join(command)} >&- 2>&- <&-"
    assert subprocess.run(shell, shell=True, cwd=ROOT, timeout=60).returncode == 0


def test_a_missing_module_of_ones_own_is_one_line_that_says_what_to_do(quinoa, run_of, tmp_path):
    root = tmp_path / "run"
    shutil.copytree(run_of(AGENT, MATCH).root, root)
    path = root / "experiment.json"
    path.write_text(path.read_text().replace(MATCH, "package_of_mine.tasks:make"))
    status, out, err = quinoa("evaluate", str(root))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "no module package_of_mine either: run this from the folder that has it, or put" in err
