from __future__ import annotations

import dataclasses
import importlib
import json
import sys

import numpy as np
import pytest

from quinoa import environments
from quinoa.config import parsing
from quinoa.environments import CanonicalEnvironment, EnvironmentFault
from quinoa.launch import experiment as experiment_module
from quinoa.launch.errors import ExperimentError, RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run import provenance
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.factories import Match
from tests.launch.helpers import experiment


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def test_saved_and_loaded_it_is_the_same(folder):
    config = parsing.override(experiment().agent_config, {"hidden_sizes": "7,8,9"})
    original = experiment(
        agent_config=config, seed=3, evaluation_period=17, samples_per_insert=None, action_repeat=2
    )
    original.save(folder)
    assert experiment_module.load(folder) == original


def test_an_agent_of_a_run_saved_before_the_packages_had_one_name_is_found(folder):
    original = experiment(agent="quinoa.agents.iq")
    original.save(folder)
    saved = read_json(folder.experiment)
    del saved["format"]
    saved["experiment"]["agent"] = "agents.iq"
    folder.experiment.write_text(json.dumps(saved))
    assert experiment_module.load(folder) == original


def test_an_agent_of_ones_own_keeps_its_name_whatever_ours_were_called(folder, monkeypatch):
    own = importlib.import_module("quinoa.agents.iq")
    for name in ("agents", "agents.iq"):
        monkeypatch.setitem(sys.modules, name, own)
    original = experiment(agent="agents.iq")
    original.save(folder)
    assert experiment_module.load(folder) == original


def test_saved_with_what_it_was_run_by(folder):
    experiment().save(folder)
    saved = json.loads(folder.experiment.read_text())
    assert saved["versions"]["numpy"] == np.__version__
    assert saved["python"].startswith("3.10")
    assert saved["command"] and saved["time"]
    assert "git" in saved


def test_git_state_tells_revision_and_changes(tmp_path):
    assert provenance.git_state(tmp_path) is None
    for arguments in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        provenance._git(tmp_path, *arguments)
    clean = provenance.git_state(tmp_path)
    assert clean is not None
    assert len(clean["revision"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "file").write_text("changed")
    changed = provenance.git_state(tmp_path)
    assert changed == {"revision": clean["revision"], "dirty": True, "untracked": ["file"]}


@pytest.fixture
def repository(tmp_path):
    """A git repository with one file."""
    (tmp_path / "file.py").write_text("one = 1\n")
    for arguments in (
        ["init", "-q"],
        ["add", "file.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"],
    ):
        provenance._git(tmp_path, *arguments)
    return tmp_path


def test_a_diff_brings_the_revision_to_what_was_run(repository):
    assert provenance.git_diff(repository) == ""
    (repository / "file.py").write_text("one = 2\n")
    diff = provenance.git_diff(repository)
    assert "+one = 2" in diff
    provenance._git(repository, "checkout", "-q", "file.py")
    (repository / "kept.diff").write_text(diff)
    provenance._git(repository, "apply", "kept.diff")
    assert (repository / "file.py").read_text() == "one = 2\n"


def test_a_diff_that_is_very_long_is_cut_and_says_so(repository):
    (repository / "file.py").write_text("x\n" * 2**20)
    diff = provenance.git_diff(repository)
    assert len(diff) < 2**20 + 100
    assert "... cut here: the whole diff has " in diff.splitlines()[-1]


def test_a_run_keeps_the_diff_of_the_folder_it_was_called_in(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    (repository / "file.py").write_text("one = 3\n")
    folder = RunFolder(tmp_path / "run")
    folder.create()
    experiment().save(folder)
    experiment().save(folder, resumed_at=70)
    saved = read_json(folder.experiment)
    assert saved["working_folder"]["git"]["dirty"]
    assert "+one = 3" in folder.source_diff().read_text()
    assert "+one = 3" in folder.source_diff(70).read_text()
    assert folder.source_diff(70).name == "source.resumed-at-70.diff"


def test_no_git_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state(tmp_path) is None
    assert provenance.git_diff(tmp_path) == ""


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"experiment": {}}', '{"experiment": 3}'])
def test_a_damaged_file_is_one_error(folder, damage):
    folder.experiment.write_text(damage)
    with pytest.raises(RunError, match=r"experiment\.json is damaged"):
        experiment_module.load(folder)


@pytest.mark.parametrize("value", [None, 3, "", [1], {"a": 1}])
def test_a_field_of_any_other_kind_is_one_error_or_what_it_says(folder, value):
    experiment().save(folder)
    saved = read_json(folder.experiment)
    for name in [*saved["experiment"], "other"]:
        changed = {**saved, "experiment": {**saved["experiment"], name: value}}
        folder.experiment.write_text(json.dumps(changed))
        try:
            assert isinstance(experiment_module.load(folder), Experiment)
        except RunError as error:
            assert str(folder.root) in str(error)


def test_a_file_of_another_version_is_one_error(folder):
    experiment().save(folder)
    saved = json.loads(folder.experiment.read_text())
    for part, name in ((saved["experiment"], "field"), (saved["experiment"]["agent_config"], "f")):
        part[name] = 1
        folder.experiment.write_text(json.dumps(saved))
        with pytest.raises(RunError, match=r"experiment\.json"):
            experiment_module.load(folder)
        del part[name]
    saved["experiment"]["agent"] = "no_such_agent"
    folder.experiment.write_text(json.dumps(saved))
    with pytest.raises(RunError, match="no_such_agent"):
        experiment_module.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_actors": 0}, "num_actors = 0 cannot work"),
        ({"environments_per_actor": 0}, "environments_per_actor = 0"),
        ({"steps": 0}, "steps = 0"),
        ({"steps_per_call": 0}, "steps_per_call = 0"),
        ({"action_repeat": 0}, "action_repeat = 0"),
        ({"evaluation_period": 0}, "evaluation_period = 0"),
        ({"evaluation_episodes": 0}, "evaluation_episodes = 0"),
        ({"learner_threads": 0}, "learner_threads = 0"),
        ({"max_episode_steps": 0}, "max_episode_steps = 0"),
        ({"max_parameter_age": 0}, "max_parameter_age = 0"),
        ({"samples_per_insert": -1.0}, "samples_per_insert = -1.0"),
        ({"samples_per_insert": float("nan")}, "samples_per_insert = nan"),
        ({"checkpoint_period_s": 0.0}, "checkpoint_period_s = 0.0"),
        ({"checkpoint_period_s": float("inf")}, "checkpoint_period_s = inf"),
        ({"replay_checkpoint_period_s": -1.0}, "replay_checkpoint_period_s = -1.0"),
        ({"replay_checkpoint_period_s": float("nan")}, "replay_checkpoint_period_s = nan"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**31}, "seed = 2147483648"),
    ],
)
def test_a_field_that_cannot_work_is_refused(changes, message):
    with pytest.raises(ExperimentError, match=message):
        experiment(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": "control:cartpole:swingupp"}, "Did you mean control:cartpole:swingup"),
        ({"environment": "tests.launch.factories:fails_at_once"}, "ZeroDivisionError: the factory"),
        ({"environment": "tests.launch.factories:fails_in_its_first_step"}, "own error"),
        ({"environment": "tests.launch.factories:nothing"}, "has no nothing"),
        ({"agent": "no_such_agent"}, "no agent 'no_such_agent'"),
        ({"steps": 500}, "ends before the first gradient step"),
        # 2 actors, 100 environments each, segments of 16 steps.
        ({"steps": 3200, "environments_per_actor": 100}, "ends before the first gradient step"),
    ],
)
def test_what_cannot_run_is_found_before_it_is_started(changes, message):
    with pytest.raises(ExperimentError, match=message) as raised:
        experiment(**changes).validate()
    assert "\n" not in str(raised.value)


def test_what_can_run_is_let_through():
    experiment(environment="control:cartpole:balance").validate()


def test_samples_per_insert_overrides_the_agents_own():
    assert experiment(samples_per_insert=3.0).config.samples_per_insert == 3.0
    own = experiment(samples_per_insert=None)
    assert own.config == own.agent_config


def test_a_missing_module_of_the_users_own_is_named_with_what_to_do(tmp_path, monkeypatch):
    begun_in = tmp_path / "mine"
    begun_in.mkdir()
    monkeypatch.chdir(begun_in)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    experiment().save(folder)
    saved = read_json(folder.experiment)
    monkeypatch.chdir(tmp_path)
    for agent, message in (
        ("package_of_mine.agent", "no module 'package_of_mine' .*: run this from the folder that"),
        (str(begun_in / "own_agent.py"), "There is no file .*own_agent.py, to load an agent from"),
        ("gone_agent", "There is no agent 'gone_agent'"),
    ):
        saved["experiment"]["agent"] = agent
        folder.experiment.write_text(json.dumps(saved))
        with pytest.raises(RunError, match=message) as raised:
            experiment_module.load(folder)
        assert str(raised.value).startswith(f"The agent of {folder.root} cannot be loaded: ")
        assert str(raised.value).endswith(f" The run was begun in {begun_in}.")


def test_environments_get_seeds_that_a_c_int_holds(monkeypatch):
    seeds = []

    def make(name, seed, **_):
        seeds.append(seed)
        return CanonicalEnvironment(Match(0, fails_after=0))

    monkeypatch.setattr(environments, "make", make)
    batch = experiment().make_environments(200, "actor")
    # A replacement's too.
    monkeypatch.setattr(Match, "reset", lambda self: None)
    with pytest.raises(EnvironmentFault):
        batch.reset()
    assert len(set(seeds)) == len(seeds) == 201
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    # They use what there is.
    assert max(seeds) > 2**30


def test_every_node_has_a_seed_of_its_own():
    def seeds(of: Experiment) -> list[int]:
        return [of.seed_of(role, i) for role in ("actor", "learner", "a") for i in range(5)]

    first = seeds(experiment())
    assert len(set(first)) == 15
    assert first == seeds(experiment())
    assert not set(first) & set(seeds(experiment(seed=1)))
    assert all(0 <= seed < 2**31 for seed in first)


def test_environments_of_a_batch_differ_and_can_be_made_again():
    def observations(role: str, index: int) -> np.ndarray:
        batch = experiment().make_environments(3, role, index)
        try:
            return batch.reset()
        finally:
            batch.close()

    once = observations("actor", 0)
    assert len({row.tobytes() for row in once}) == 3
    np.testing.assert_array_equal(once, observations("actor", 0))
    assert not np.isin(once[:, 0], observations("actor", 1)[:, 0]).any()
    assert not np.isin(once[:, 0], observations("evaluator", 0)[:, 0]).any()


def test_evaluates_twenty_times_by_default():
    assert experiment(steps=1000).steps_between_evaluations == 50
    assert experiment(steps=7).steps_between_evaluations == 1
    assert experiment(evaluation_period=33).steps_between_evaluations == 33


def test_an_experiment_is_a_value():
    assert dataclasses.replace(experiment()) == experiment()
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment().steps = 3  # type: ignore[misc]


def test_environments_end_at_the_limit_and_are_made_anew_when_broken(monkeypatch):
    batch = experiment(max_episode_steps=3).make_environments(2, "actor")
    first = batch.reset()
    ends = [batch.step(np.zeros((2, 1))).truncated for _ in range(3)]
    assert ends == [(), (), (0, 1)]
    broken = batch.environments[0].inner

    def fail():
        raise OSError("gone")

    monkeypatch.setattr(broken, "reset", fail)
    again = batch.reset()
    assert batch.environments[0].inner is not broken
    # With a seed of its own.
    assert len({row.tobytes() for row in (*first, *again)}) == 4
    (fault,) = batch.step(np.zeros((2, 1))).faults
    assert "OSError: gone" in str(fault)
    batch.close()
