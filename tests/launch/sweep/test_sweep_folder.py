from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from quinoa.launch import presets
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.storage.files import read_json, write_json
from quinoa.launch.sweep.sweep_folder import PlannedRun, SweepFolder, SweepRunState
from tests.launch.written_runs import write_run


def planned(name="one"):
    return PlannedRun(name, {"agent": "a", "env": "e", "tau": "0.10"}, 1, 100, ("--seed=1",))


@pytest.fixture
def sweep(tmp_path):
    folder = SweepFolder(tmp_path / "sweep")
    folder.create()
    folder.save([planned()], 3, ["tau=0.10"], tmp_path)
    return folder


def test_a_plan_is_read_as_it_was_written(sweep):
    assert sweep.load() == [planned()]
    assert sweep.at_once() == 3
    assert "command" in read_json(sweep.description)


def test_a_run_begins_with_another_of_a_sweep_that_was_moved(sweep, tmp_path):
    sweep.run(planned()).create()
    given = [f"--init_from={name}" for name in ("one", "another", "/elsewhere/one")]
    second = dataclasses.replace(planned("two"), arguments=tuple(given))
    moved = SweepFolder(sweep.root.rename(tmp_path / "moved"))
    assert moved.arguments(second) == (
        f"--init_from={moved.root}/one",
        *given[1:],
        f"--folder={moved.root}/two",
    )
    # Once it has begun, it has its networks, wherever they were from.
    write_run(moved.run(second).root)
    assert moved.arguments(second) == (f"--resume={moved.root}/two",)


def test_it_knows_the_folder_that_it_was_started_in(sweep, tmp_path):
    assert sweep.called_in() == tmp_path
    write_json(sweep.description, {"at_once": 1, "runs": []})
    assert sweep.called_in() is None


def test_a_folder_that_is_taken_is_an_error(sweep, tmp_path):
    with pytest.raises(ExperimentError, match="already holds a sweep: resume it by --resume"):
        sweep.create()
    with pytest.raises(ExperimentError, match="is not empty"):
        SweepFolder(tmp_path).create()
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="cannot be written"):
        SweepFolder(tmp_path / "file" / "sweep").create()


def test_no_sweep_and_a_damaged_one_are_one_line(sweep, tmp_path):
    with pytest.raises(RunError, match="There is no sweep at"):
        SweepFolder(tmp_path).load()
    whole = read_json(sweep.description)
    outside = {**whole["runs"][0], "name": "../elsewhere"}
    contents: list[Any] = [[], {}, {"runs": [{}]}, {"runs": 3}, {"runs": [outside]}]
    for content in contents:
        write_json(sweep.description, content)
        with pytest.raises(RunError, match="is damaged"):
            sweep.load()
    sweep.description.write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        sweep.at_once()


def test_a_runs_state_follows_from_what_is_in_its_folder(sweep):
    run = planned()
    assert sweep.state(run) is SweepRunState.WAITING
    sweep.run(run).create()
    assert sweep.state(run) is SweepRunState.WAITING
    folder = write_run(sweep.run(run).root)
    assert sweep.state(run) is SweepRunState.INTERRUPTED
    for outcome, state in (
        ("stopped", SweepRunState.INTERRUPTED),
        ("killed", SweepRunState.INTERRUPTED),
        ("failed", SweepRunState.FAILED),
        ("finished", SweepRunState.FINISHED),
    ):
        write_json(folder.result, {"outcome": outcome})
        assert sweep.state(run) is state
    sweep.set_failure(run, "why")
    assert sweep.state(run) is SweepRunState.FAILED
    assert sweep.failed() == {"one": "why"}
    # By hand it came to its end after all.
    write_json(folder.result, {"outcome": "finished", "final_returns": [1.0]})
    assert sweep.state(run) is SweepRunState.FINISHED
    write_json(folder.result, {"outcome": "finished"})
    sweep.set_failure(run, None)
    assert sweep.state(run) is SweepRunState.FINISHED


OWN = '[fast]\nagent = "iq"\nenv = "control:walker:walk"\nset.tau = 0.5\n'


def of_preset(name: str) -> PlannedRun:
    return PlannedRun("one", {"agent": "iq"}, 1, 100, ("--seed=1", f"--preset={name}"))


def test_a_run_is_told_of_the_copy_of_a_preset_of_ones_own(sweep, tmp_path):
    mine = tmp_path / "mine.toml"
    # As Windows begins a file.
    mine.write_text(OWN, encoding="utf-8-sig")
    sweep.keep_preset(presets.load(f"{mine}:fast"))
    mine.write_text(OWN.replace("0.5", "0.7"))
    seed, preset, folder = sweep.arguments(of_preset(f"{mine}:fast"))
    assert (seed, folder) == ("--seed=1", f"--folder={sweep.root / 'one'}")
    assert presets.load(preset.removeprefix("--preset=")).settings == {"tau": "0.5"}
    assert sweep.preset_file.read_text(encoding="utf-8") == OWN


def test_a_preset_of_ours_is_told_as_it_is(sweep):
    sweep.keep_preset(presets.load("dm_control/iq"))
    assert not sweep.preset_file.exists()
    assert "--preset=dm_control/iq" in sweep.arguments(of_preset("dm_control/iq"))


def test_a_run_that_goes_on_is_told_of_no_preset(sweep):
    write_run(sweep.root / "one")
    told = sweep.arguments(of_preset("dm_control/iq"))
    assert told == ("--seed=1", f"--resume={sweep.root / 'one'}")


def test_a_run_that_goes_on_has_the_replay_that_was_saved(sweep):
    """Without it, one that is close to its end would not have steps enough to fill another."""
    folder = write_run(sweep.root / "one")
    (folder.replay / "7").mkdir(parents=True)
    assert sweep.arguments(planned()) == (
        "--seed=1",
        f"--resume={folder.root}",
        "--resume_replay",
    )


def test_a_run_that_goes_on_has_as_many_actors_as_were_planned(sweep):
    """`quinoa scale` may have given it another number."""
    planned = dataclasses.replace(of_preset("dm_control/iq"), arguments=("--num_actors=3",))
    assert sweep.arguments(planned) == ("--num_actors=3", f"--folder={sweep.root / 'one'}")
    write_run(sweep.root / "one")
    resumed = ("--num_actors=3", f"--resume={sweep.root / 'one'}", "--change=num_actors")
    assert sweep.arguments(planned) == resumed


def test_a_preset_that_was_edited_while_it_was_checked_is_an_error(sweep, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(OWN)
    checked = presets.load(str(mine))
    mine.write_text(OWN.replace("0.5", "0.7"))
    with pytest.raises(ExperimentError, match="changed while the sweep was checked"):
        sweep.keep_preset(checked)
    mine.unlink()
    with pytest.raises(ExperimentError, match="cannot be copied"):
        sweep.keep_preset(checked)
