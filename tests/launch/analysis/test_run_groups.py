from __future__ import annotations

import pytest

from quinoa.launch.analysis import run_groups
from quinoa.launch.errors import RunError
from tests.launch.written_runs import write_run


def names(groups):
    return {
        environment: {label: [run.folder.root.name for run in runs] for label, runs in of.items()}
        for environment, of in groups.items()
    }


def test_finds_runs_and_those_inside_a_folder_each_once(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / "many" / name)
    (tmp_path / "many" / "unfinished").mkdir()
    write_run(tmp_path / "one")
    paths = [tmp_path / "many", tmp_path / "one", tmp_path / "many" / "a"]
    found = run_groups.find(paths)
    assert [run.folder.root.name for run in found] == ["a", "b", "one"]


def test_where_no_run_is_to_be_found_is_an_error(tmp_path):
    with pytest.raises(RunError, match="nor in the folders that it holds"):
        run_groups.find([tmp_path])
    with pytest.raises(RunError, match="There is no run at"):
        run_groups.find([tmp_path / "nowhere"])
    folder = write_run(tmp_path / "damaged")
    for content in ("", "[]", "{}", '{"experiment": {"agent_config": {}, "agent": 1}}'):
        folder.experiment.write_text(content)
        with pytest.raises(RunError, match="is damaged"):
            run_groups.find([folder.root])


def test_groups_by_environment_agent_and_the_settings_that_differ(tmp_path):
    write_run(tmp_path / "a0", config={"tau": 0.1}, seed=0)
    write_run(tmp_path / "a1", config={"tau": 0.1}, seed=1)
    write_run(tmp_path / "b0", config={"tau": 0.02})
    write_run(tmp_path / "c", agent="other_agent")
    write_run(tmp_path / "d", environment="control:other:task", config={"tau": 5.0}, agent="third")
    write_run(tmp_path / "e", config={"tau": 6.0}, agent="third")
    groups = run_groups.group(run_groups.find([tmp_path]))
    assert names(groups) == {
        # What differs from one environment to the other tells no runs apart.
        "control:other:task": {"third": ["d"]},
        "control:some:task": {
            "other_agent": ["c"],
            # By value and not by text.
            "some_agent, tau=0.02": ["b0"],
            "some_agent, tau=0.1": ["a0", "a1"],
            "third": ["e"],
        },
    }


def test_the_experiments_own_ratio_is_the_one_that_counts(tmp_path):
    write_run(tmp_path / "a", samples_per_insert=64.0)
    write_run(tmp_path / "b", config={"samples_per_insert": 64.0})
    write_run(tmp_path / "c", samples_per_insert=32.0)
    (labels,) = names(run_groups.group(run_groups.find([tmp_path]))).values()
    assert labels == {
        "some_agent, samples_per_insert=32": ["c"],
        "some_agent, samples_per_insert=64": ["a", "b"],
    }


def test_actors_whose_episodes_are_cut_off_are_another_line(tmp_path):
    write_run(tmp_path / "of_old")
    write_run(tmp_path / "whole", actor_episode_steps=None)
    write_run(tmp_path / "short", actor_episode_steps=125)
    (labels,) = names(run_groups.group(run_groups.find([tmp_path]))).values()
    assert sorted(labels.values()) == [["of_old", "whole"], ["short"]]


def test_environments_with_other_arguments_are_another_line(tmp_path):
    write_run(tmp_path / "of_old")
    write_run(tmp_path / "plain", env_kwargs={})
    write_run(tmp_path / "small", env_kwargs={"size": 4, "rates": [0.5, 1.0]})
    (labels,) = names(run_groups.group(run_groups.find([tmp_path]))).values()
    assert labels == {
        "some_agent": ["of_old", "plain"],
        "some_agent, size=4, rates=0.5,1": ["small"],
    }


def test_what_else_was_learned_from_is_another_line(tmp_path):
    """Each seed may have begun from a run of its own."""
    write_run(tmp_path / "plain", demonstrations=None, init_from=None)
    write_run(tmp_path / "of_old")
    write_run(tmp_path / "shown", demonstrations="run:/runs/a")
    for seed in range(2):
        write_run(tmp_path / f"warm{seed}", seed=seed, init_from=f"/runs/{seed}/checkpoints/7")
    (labels,) = names(run_groups.group(run_groups.find([tmp_path]))).values()
    assert labels == {
        "some_agent": ["of_old", "plain"],
        "some_agent, begun from another run": ["warm0", "warm1"],
        "some_agent, with demonstrations": ["shown"],
    }


def test_groups_by_what_it_is_told_to(tmp_path):
    for seed in range(2):
        write_run(tmp_path / str(seed), config={"tau": 1.0 + seed, "sizes": [8, 8]}, seed=seed)
    runs = run_groups.find([tmp_path])

    def labels(*by):
        (found,) = run_groups.group(runs, by).values()
        return list(found)

    assert labels("agent") == ["some_agent"]
    assert labels("seed") == ["some_agent, seed=0", "some_agent, seed=1"]
    assert labels("sizes", "tau") == [
        "some_agent, sizes=8,8, tau=1",
        "some_agent, sizes=8,8, tau=2",
    ]
    assert labels("run") == ["some_agent, 0", "some_agent, 1"]
    with pytest.raises(RunError, match=r"no setting 'taw' .* Did you mean tau\?"):
        labels("taw")


def test_a_setting_that_only_some_agents_have_is_left_out_of_the_others_labels(tmp_path):
    write_run(tmp_path / "a", config={"own": 3})
    write_run(tmp_path / "b", agent="other_agent")
    (labels,) = run_groups.group(run_groups.find([tmp_path]), ["own"]).values()
    assert list(labels) == ["other_agent", "some_agent, own=3"]
