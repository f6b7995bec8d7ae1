from __future__ import annotations

import os

import pandas as pd
import pytest

from tests.launch.helpers import MATCH
from tests.launch.written_runs import write_run

PNG = b"\x89PNG"


@pytest.fixture
def plot(quinoa, tmp_path):
    """Runs the command; gives its status, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        out = [] if any("--out" in str(a) for a in arguments) else [f"--out={tmp_path / 'p.png'}"]
        return quinoa("plot", *map(str, arguments), *out)

    return run


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    for agent, best in (("base", 6.0), ("better", 9.0)):
        for seed in range(2):
            write_run(
                root / f"{agent}-{seed}",
                [2.0, best / 2, best + seed],
                agent=agent,
                environment=MATCH,
                seed=seed,
                max_episode_steps=100,
            )
    return root


@pytest.mark.parametrize("x", ["steps", "updates", "hours"])
def test_draws_all_runs_of_a_folder(plot, runs, tmp_path, x):
    out = tmp_path / "new" / "curves.png"
    assert plot(runs, f"--x={x}", "--smooth=2", f"--out={out}") == (0, f"{out}\n", "")
    assert out.read_bytes().startswith(PNG)


def test_writes_every_evaluation_of_every_run(plot, runs, tmp_path):
    path = tmp_path / "new" / "evaluations.csv"
    status, out, err = plot(runs, f"--evaluations={path}", "--by=agent")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(path)
    read = pd.read_csv(path)
    assert read["run"].tolist()[::3] == ["base-0", "base-1", "better-0", "better-1"]
    assert read["label"].tolist() == ["base"] * 6 + ["better"] * 6
    assert read["seed"].tolist()[::3] == [0, 1, 0, 1]
    assert read["environment"].unique().tolist() == [MATCH]
    first = read.iloc[:3]
    assert first["return"].tolist() == [2, 3, 6]
    assert first["actor_steps"].tolist() == [0, 10, 20]
    assert first["learner_steps"].tolist() == [0, 5, 10]
    assert first["hours"].tolist() == pytest.approx([0, 0.01, 0.02])


def test_writes_a_table_of_final_returns(plot, runs, tmp_path):
    table = tmp_path / "table.csv"
    status, out, err = plot(runs, f"--table={table}", "--by=agent")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(table)
    read = pd.read_csv(table)
    assert read["label"].tolist() == ["better", "base"]
    assert read["mean"].tolist() == [9.5, 6.5]
    status, out, err = plot(runs, "--table=-", "--by=seed", "--last=2")
    assert status == 0
    assert all(line.startswith("|") for line in out.splitlines())
    assert err.endswith("p.png\n")
    assert "| better, seed=1 |" in out


def test_normalises_by_the_runs_of_one_line(plot, runs, tmp_path):
    table = tmp_path / "table.csv"
    status, _, err = plot(runs, "--normalize", "--baseline=base", f"--table={table}")
    assert (status, err) == (0, "")
    read = pd.read_csv(table).set_index("label")
    assert read.loc["base", "mean"] == pytest.approx(100)
    # Random actions get 10 / 3.
    assert read.loc["better", "mean"] == pytest.approx(100 * 6.17 / 3.17, rel=0.15)
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


def test_normalises_by_a_file_of_scores(plot, runs, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text(f"environment,score,random\n{MATCH},10.5,0.5\n")
    table = tmp_path / "table.csv"
    status, _, err = plot(runs, "--normalize", f"--baseline={scores}", f"--table={table}")
    assert (status, err) == (0, "")
    assert pd.read_csv(table)["mean"].tolist() == pytest.approx([90, 60])


def test_tasks_with_more_seeds_than_another_are_cut_and_that_is_said(plot, runs, tmp_path):
    for agent in ("base", "better"):
        write_run(runs / f"{agent}-other", agent=agent, environment="other")
    scores = tmp_path / "scores.csv"
    scores.write_text(f"environment,score,random\n{MATCH},10,0\nother,5,0\n")
    status, _, err = plot(runs, "--normalize", f"--baseline={scores}")
    assert status == 0
    assert "note: better has up to 2 runs a task, and 1 of another" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--normalize"], "--normalize needs a --baseline"),
        (["--baseline=base"], "--baseline is for --normalize"),
        (["--normalize", "--baseline=nobody"], "neither a line of these runs (base, better) nor"),
        (["--by=sed"], "no setting 'sed' to be told apart by. Did you mean seed?"),
        (["--x=days"], "one of <steps|updates|hours>"),
        (["--smooth=0"], "--smooth=0: it must be a whole number"),
        (["--table=x.txt"], "neither .csv nor .md"),
        (["--evaluations=x.txt"], "neither .csv nor .md"),
        (["--table=/dev/null/x.csv"], "/dev/null/x.csv cannot be written"),
        (["--out=x.xyz"], "x.xyz cannot be drawn"),
        (["--out=/dev/null/x.png"], "--out=/dev/null/x.png cannot be written: Not a directory."),
    ],
)
def test_what_cannot_be_drawn_is_one_line(plot, runs, arguments, message):
    status, _, err = plot(runs, *arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err


def test_runs_without_evaluations_are_left_out_with_a_note(plot, runs, tmp_path):
    table = tmp_path / "table.csv"
    (runs / "base-0" / "metrics" / "evaluator.csv").unlink()
    status, _, err = plot(runs, f"--table={table}", "--by=agent")
    assert status == 0
    assert err == f"quinoa: note: 1 run without evaluations left out: {runs / 'base-0'}.\n"
    read = pd.read_csv(table).set_index("label")
    assert read.loc["base", "runs"] == read.loc["better", "runs"] - 1
    for path in runs.glob("*/metrics/evaluator.csv"):
        path.unlink()
    status, _, err = plot(runs)
    assert (status, err.count("\n")) == (2, 1)
    assert "has no evaluations to draw" in err


def test_names_are_drawn_as_they_are_and_not_as_formulas(plot, tmp_path):
    folders = [tmp_path / name for name in ("a$\\foo$b", "$", os.fsdecode(b"r\xffn"))]
    for folder in folders:
        write_run(folder, environment="$\\bar$")
    status, _, err = plot(*folders, "--by=run")
    assert (status, err) == (0, "")
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


def test_too_many_lines_are_one_line(plot, tmp_path):
    for seed in range(40):
        write_run(tmp_path / "many" / str(seed), seed=seed)
    status, _, err = plot(tmp_path / "many", "--by=seed")
    assert (status, err.count("\n")) == (2, 1)
    assert "40 lines are more than can be told apart" in err
