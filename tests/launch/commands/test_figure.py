from __future__ import annotations

import functools
import shutil
from typing import Any

import pandas as pd
import pytest

from quinoa.launch.storage import lock
from quinoa.launch.sweep import paper_figures, runner
from quinoa.launch.sweep.paper_figures import Figure
from quinoa.launch.sweep.paper_figures.figure_folder import FigureFolder
from quinoa.launch.sweep.sweep_folder import SweepRunState
from tests.launch import forked
from tests.launch.helpers import AGENT_SETTINGS, MATCH, ROOT
from tests.launch.sweep.paper_figures.made import begin, finish, make_figure

LINES = [{"label": "Base", "agent": "sac"}, {"label": "Better", "agent": "iq"}]


@pytest.fixture
def figure_here(quinoa, monkeypatch, tmp_path):
    """Calls the command from an empty folder; gives its status, output and errors."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(quinoa, "figure")


@pytest.fixture
def made(monkeypatch):
    """Makes `made` a figure that the command knows."""

    def make(*arguments, **fields):
        figure = make_figure(*arguments, **fields)
        monkeypatch.setattr(paper_figures, "_by_name", lambda: {figure.name: figure})
        return figure

    return make


def test_without_a_name_shows_the_figures(figure_here):
    status, out, err = figure_here()
    assert (status, err) == (0, "")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == [figure.name for figure in paper_figures.every()]
    assert "Figure 2)" in out


def test_a_dry_run_shows_the_runs_and_starts_none(figure_here, tmp_path):
    status, out, err = figure_here("iq-3", "--dry_run")
    assert (status, err) == (0, "")
    runs = out.splitlines()[:27]
    assert runs[0].startswith(
        "000-IQ-adroit_door-s0  waiting  --preset=adroit/iq --env=adroit:door"
    )
    assert all("  waiting  " in run and "--steps=250000" in run for run in runs)
    assert "27 of 27 runs to do, 6,750,000 steps: about 3.0 hours of a core" in out
    assert not list(tmp_path.iterdir())


def test_a_dry_run_of_what_has_begun_counts_what_is_left(figure_here, made, tmp_path):
    folder = begin(tmp_path / "begun", made("curves", LINES, environments=[MATCH], steps=5000))
    finish(folder, {("Base", MATCH, 0): 1.0})
    failed = folder.sweep.load()[1]
    folder.sweep.set_failure(failed, "it broke")
    status, out, _ = figure_here("made", "--folder=begun", "--dry_run")
    assert status == 0
    states = [line.split()[1] for line in out.splitlines()[:4]]
    assert states == ["finished", "failed", "waiting", "waiting"]
    assert "2 of 4 runs to do, 10,000 steps" in out
    _, out, _ = figure_here("made", "--folder=begun", "--dry_run", "--retry_failed")
    assert "3 of 4 runs to do, 15,000 steps" in out


def test_redraws_without_running(figure_here, made, tmp_path):
    folder = begin(tmp_path / "begun", made("curves", LINES, environments=[MATCH], seeds=1))
    finish(folder, {("Base", MATCH, 0): 4.0})
    status, out, err = figure_here("made", "--folder=begun", "--redraw")
    assert (status, out.splitlines()) == (0, ["begun/made.png", "begun/made.csv", "begun/runs.csv"])
    assert err == "quinoa: note: drawn from 1 of 2 runs, those that are finished.\n"
    assert pd.read_csv(folder.table)["median"].tolist() == pytest.approx([0, 2, 4])
    assert folder.sweep.state(folder.sweep.load()[1]) is SweepRunState.WAITING


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["iq-22"], "There is no figure 'iq-22'. Did you mean iq-2"),
        (["iq-2", "iq-3"], "figure takes the name of one figure, not iq-2 iq-3."),
        (["iq-2", "--scale=huge"], "one of <small|medium|paper>"),
        (["iq-2", "--at_once=0"], "--at_once=0: it must be a whole number"),
        (["iq-2", "--redraw"], "There are no runs of iq-2 at runs/figure-iq-2-small to draw"),
        (["iq-2", "--redraw", "--dry_run"], "--redraw runs nothing: leave --dry_run out."),
        (["iq-2", "--redraw", "--retry_failed"], "leave --retry_failed out."),
        (["iq-2", "--folder=/dev/null/x"], "--folder=/dev/null/x cannot be written"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_nothing_is_started(
    figure_here, tmp_path, arguments, message
):
    status, _, err = figure_here(*arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_one_line(figure_here, made, tmp_path):
    folder = begin(tmp_path / "begun", made("curves", LINES, environments=[MATCH]))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    cases = [
        (["--folder=other"], "other is not empty, and holds no figure: give another --folder."),
        (["--folder=begun", "--scale=paper"], "begun has the figure at the scale small: leave"),
    ]
    for arguments, message in cases:
        status, _, err = figure_here("made", *arguments)
        assert (status, err.count("\n")) == (2, 1)
        assert message in err
    with lock.locked(folder.root, "in use"):
        status, _, err = figure_here("made", "--folder=begun")
    assert (status, err.count("\n")) == (2, 1)
    assert "is in use by a sweep" in err
    folder.description.write_text('{"figure": "another", "scale": "small"}')
    status, _, err = figure_here("made", "--folder=begun")
    assert (status, err.count("\n")) == (2, 1)
    assert "holds the figure another, not made" in err
    folder.description.write_text('{"figure": "made", "scale": "huge"}')
    status, _, err = figure_here("made", "--folder=begun")
    assert (status, err.count("\n")) == (2, 1)
    assert "figure.json is damaged" in err


@pytest.mark.parametrize("end", ["failed", "stopped"])
def test_what_begins_with_other_runs_waits_until_these_are_finished(
    figure_here, made, tmp_path, monkeypatch, end
):
    before = [{**line, "environment": MATCH} for line in LINES]
    lines = [{"label": "After", "agent": "iq", "init_from": "Better"}]
    figure = made(
        "curves", lines, environments=[MATCH], seeds=1, pretraining=before, pretraining_steps=20
    )
    folder = begin(tmp_path / "begun", figure)
    stages = []

    def run_all(sweep, plan, **_):
        stages.append([run.settings["line"] for run in plan])
        finish(folder, {("Base", MATCH, 0): 1.0})
        if end == "failed":
            sweep.set_failure(plan[1], "it broke")
        else:
            finish(folder, {("Better", MATCH, 0): 1.0})
        return end == "stopped"

    monkeypatch.setattr(runner, "run_all", run_all)
    status, out, err = figure_here("made", "--folder=begun")
    assert stages == [["Base", "Better"]]
    assert "1 of 3 runs did not come to its end. To resume: quinoa figure made" in out
    assert (status, "--retry_failed" in err) == ((1, True) if end == "failed" else (0, False))


@pytest.mark.long
def test_trains_draws_and_trains_only_what_is_missing(quinoa, made, tmp_path, monkeypatch):
    # Where this module has its name, for the processes of the runs.
    monkeypatch.chdir(ROOT)

    def line(tau: float, **fields: str) -> dict[str, Any]:
        settings = {**AGENT_SETTINGS, "tau": tau}
        return {"label": f"tau={tau}", "agent": "iq", "set": settings, **fields}

    def figure_of(*lines: dict[str, Any], **fields: Any) -> Figure:
        return made(
            "curves",
            lines,
            environments=[MATCH],
            seeds=1,
            steps=600,
            train={
                "engine": "serial",
                "num_actors": 1,
                "environments_per_actor": 4,
                "samples_per_insert": 64,
                "steps_per_call": 10,
                "evaluation_period": 300,
                "evaluation_episodes": 2,
            },
            **fields,
        )

    folder = FigureFolder(tmp_path / "figure", figure_of(line(0.01)))
    command = ("figure", "made", "--at_once=2")
    with forked.starting(runner):
        status, out, err = quinoa(*command, f"--folder={folder.root}", "--scale=small")
    assert status == 0, err
    assert out.splitlines()[-3:] == [
        str(path) for path in (folder.picture, folder.table, folder.sweep.runs_table)
    ]
    assert folder.picture.is_file()
    table = pd.read_csv(folder.table)
    assert set(table["line"]) == {"tau=0.01"}
    assert table["steps"].max() >= 600

    # The same run is what another begins with.
    (trained,) = (folder.sweep.run(run).root for run in folder.sweep.load())
    before = [line(0.01, environment=MATCH)]
    figure = figure_of(line(0.1, init_from="tau=0.01"), pretraining=before, pretraining_steps=600)
    folder = begin(tmp_path / "begun", figure)
    first, second = folder.sweep.load()
    shutil.copytree(trained, folder.sweep.run(first).root)
    result = folder.sweep.run(first).result.stat().st_mtime_ns
    with forked.starting(runner):
        status, _, err = quinoa(*command, f"--folder={folder.root}")
    assert status == 0, err
    assert not folder.sweep.log(first).exists()
    assert folder.sweep.run(first).result.stat().st_mtime_ns == result
    assert folder.sweep.state(second) is SweepRunState.FINISHED
    assert f"of {folder.sweep.run(first).root}/checkpoints" in folder.sweep.log(second).read_text()
    assert folder.picture.is_file()
    assert set(pd.read_csv(folder.table)["line"]) == {"tau=0.1"}
