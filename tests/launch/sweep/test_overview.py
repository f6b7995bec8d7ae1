from __future__ import annotations

import subprocess
import time

import pytest

from quinoa.agents import maxent_irl
from quinoa.launch import cli
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import save
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.sweep import overview
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder
from tests.launch.helpers import experiment
from tests.launch.reports import report

pytestmark = pytest.mark.usefixtures("same_environment_variables")

STEPS = 1000
NAMES = ("finished", "failed", "running", "died", "stopped", "waiting")


def write_run(folder: RunFolder, steps: int | None) -> None:
    """Writes a run that has done so many steps, or has not said any."""
    folder.create()
    ProcessList(folder)
    save(experiment(steps=STEPS), folder)
    if steps is not None:
        counter = Counter(folder, Budget(STEPS))
        report(counter, "a", actor_steps=steps, rows=[{"actor": 0, "episode_return": 1.5}])
        counter.close()


@pytest.fixture
def sweep(tmp_path) -> SweepFolder:
    """A sweep that this process goes through, with a run in each state."""
    made = SweepFolder(tmp_path / "sweep")
    made.create()
    made.save([PlannedRun(name, {"agent": "iq"}, 0, STEPS, ()) for name in NAMES], 2, [], tmp_path)
    runs = {planned.name: made.run(planned) for planned in made.load()}
    for name, steps in (("finished", 1000), ("running", 250), ("died", 100), ("stopped", 500)):
        write_run(runs[name], steps)
    write_json(runs["finished"].result, {"outcome": "finished", "final_returns": [2.0, 4.0]})
    write_json(runs["stopped"].result, {"outcome": "stopped", "final_returns": None})
    write_json(runs["died"].processes, {**read_json(runs["died"].processes), "boot": "before"})
    made.set_failure(made.load()[1], "it broke")
    return made


def states(sweep: SweepFolder) -> dict[str, str]:
    return {row.name: row.state for row in overview.OverviewReader(sweep).read().rows}


@pytest.fixture
def status(sweep, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def run(*flags: str) -> tuple[int, str, str]:
        code = cli.main(["status", str(sweep.root), *flags])
        return code, *capsys.readouterr()

    return run


def test_tells_the_state_of_each_run(sweep):
    assert states(sweep) == {name: name for name in NAMES}
    rows = {row.name: row for row in overview.OverviewReader(sweep).read().rows}
    assert (rows["finished"].value, rows["running"].value) == (3.0, 1.5)
    assert (rows["running"].done, rows["waiting"].done) == (250, 0)


def test_the_time_left_follows_from_the_steps_done_since_it_was_begun(sweep):
    reader = overview.OverviewReader(sweep)
    before = reader.read()
    # A process runs it, as one of its runs is running.
    assert (before.is_alive, before.is_running, before.left_s) == (None, True, None)
    overview.record_start(sweep, before.rows)
    noted = read_json(sweep.process)
    # Of 6000 steps: 2000 of what is over, and 250, 100 and 500.
    assert noted["steps_before"] == 2850
    write_json(sweep.process, {**noted, "began": time.time() - 10.0, "steps_before": 2350})
    now = reader.read()
    assert now.is_running and not now.is_complete
    assert now.left_s == pytest.approx(63.0, rel=0.05)


def test_status_shows_a_sweep_under_way(sweep, status):
    overview.record_start(sweep, overview.OverviewReader(sweep).read().rows)
    code, out, err = status()
    # Some have failed.
    assert (code, err) == (1, "")
    first, root, state, of_all, _, *rows = out.splitlines()
    assert (first, root) == ("sweep of 6 runs", str(sweep.root))
    assert state == ("running: 1 running, 1 died, 1 failed, 1 stopped, 1 finished, 1 waiting")
    assert "48%  2 of 6 runs, 0:0" in of_all
    assert [row.split()[0] for row in rows[: len(NAMES)]] == list(NAMES)
    assert "return 3.0" in rows[0] and "25%" in rows[2] and rows[5].endswith("waiting")
    assert "failed failed: it broke" in out
    assert max(map(len, (of_all, *rows))) <= 80


def test_status_shows_a_sweep_that_no_process_runs(sweep, status):
    overview.record_start(sweep, overview.OverviewReader(sweep).read().rows)
    gone = subprocess.Popen(["true"])
    gone.wait()
    write_json(sweep.process, {**read_json(sweep.process), "pid": gone.pid})
    code, out, _ = status()
    assert code == 1
    assert "no process runs it: " in out
    assert out.endswith(f"To resume it: quinoa sweep --resume={sweep.root}\n")


def test_status_shows_a_sweep_that_has_ended(sweep, status):
    names = NAMES[:2]
    sweep.save(
        [PlannedRun(name, {"agent": "iq"}, 0, STEPS, ()) for name in names],
        2,
        [],
        sweep.root.parent,
    )
    sweep.table.write_text("| agent |\n")
    code, out, _ = status("--once")
    assert code == 1
    assert "\nfinished: 1 failed, 1 finished\n" in out
    assert "100%  2 of 2 runs\n" in out
    assert f"Its table: {sweep.table}\n" in out
    assert f"quinoa sweep --resume={sweep.root} --retry_failed\n" in out
    sweep.set_failure(sweep.load()[1], None)
    sweep.save([sweep.load()[0]], 2, [], sweep.root.parent)
    assert status()[0] == 0


def test_of_a_run_without_actors_gradient_steps_and_log_likelihoods_are_shown(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    made = SweepFolder(tmp_path / "sweep")
    made.create()
    settings = {"agent": "maxent_irl", "demonstrations": "roads:3x3"}
    made.save([PlannedRun("run", settings, 0, 200, ())], 1, [], tmp_path)
    (run,) = map(made.run, made.load())
    run.create()
    learned = Experiment(
        agent=settings["agent"],
        agent_config=maxent_irl.Config(),
        environment="",
        demonstrations=settings["demonstrations"],
        steps=200,
    )
    save(learned, run)
    counter = Counter(run, Budget(200, "learner_steps"))
    report(counter, "learner", "learner", learner_steps=50, rows=[{"log_likelihood": -1.25}])
    counter.close()
    write_json(run.result, {"outcome": "finished"})
    (row,) = overview.OverviewReader(made).read().rows
    assert (row.done, row.value, row.unit) == (50, -1.25, "learner_steps")
    assert cli.main(["status", str(made.root)]) == 0
    out, _ = capsys.readouterr()
    (shown,) = (line for line in out.splitlines() if line.startswith("run "))
    # It was over before its last step, as it had converged.
    assert "100%" in shown and "log-likelihood -1.250" in shown


def test_a_run_that_is_damaged_does_not_hide_the_others(sweep):
    run = sweep.run(sweep.load()[2])
    run.status.write_text("nonsense")
    run.experiment.write_text("nonsense")
    assert {**states(sweep), "running": ""} == {**{name: name for name in NAMES}, "running": ""}


def test_what_a_low_terminal_has_no_room_for_is_counted(sweep):
    from rich.console import Console

    from quinoa.launch.sweep import status_page

    console = Console(width=80)
    with console.capture() as captured:
        console.print(status_page.draw(overview.OverviewReader(sweep).read(), height=11))
    lines = captured.get().splitlines()
    assert "and 3 more" in lines
    # Those that go on, or went wrong, are what is looked for.
    assert [line.split()[0] for line in lines[5:8]] == ["failed", "running", "died"]
