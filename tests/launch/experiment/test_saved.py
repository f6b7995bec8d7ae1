from __future__ import annotations

import importlib
import json
import sys

import numpy as np
import pytest

from quinoa.config import parsing
from quinoa.launch.errors import RunError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import load, save
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
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
    save(original, folder)
    assert load(folder) == original


def test_an_agent_of_a_run_saved_before_the_packages_had_one_name_is_found(folder):
    original = experiment(agent="quinoa.agents.iq")
    save(original, folder)
    saved = read_json(folder.experiment)
    del saved["format"]
    saved["experiment"]["agent"] = "agents.iq"
    folder.experiment.write_text(json.dumps(saved))
    assert load(folder) == original


def test_an_agent_of_ones_own_keeps_its_name_whatever_ours_were_called(folder, monkeypatch):
    own = importlib.import_module("quinoa.agents.iq")
    for name in ("agents", "agents.iq"):
        monkeypatch.setitem(sys.modules, name, own)
    original = experiment(agent="agents.iq")
    save(original, folder)
    assert load(folder) == original


def test_saved_with_what_it_was_run_by(folder):
    save(experiment(), folder)
    saved = json.loads(folder.experiment.read_text())
    assert saved["versions"]["numpy"] == np.__version__
    assert saved["python"].startswith("3.10")
    assert saved["command"] and saved["time"]
    assert "git" in saved


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"experiment": {}}', '{"experiment": 3}'])
def test_a_damaged_file_is_one_error(folder, damage):
    folder.experiment.write_text(damage)
    with pytest.raises(RunError, match=r"experiment\.json is damaged"):
        load(folder)


@pytest.mark.parametrize("value", [None, 3, "", [1], {"a": 1}])
def test_a_field_of_any_other_kind_is_one_error_or_what_it_says(folder, value):
    save(experiment(), folder)
    saved = read_json(folder.experiment)
    for name in [*saved["experiment"], "other"]:
        changed = {**saved, "experiment": {**saved["experiment"], name: value}}
        folder.experiment.write_text(json.dumps(changed))
        try:
            assert isinstance(load(folder), Experiment)
        except RunError as error:
            assert str(folder.root) in str(error)


def test_a_file_of_another_version_is_one_error(folder):
    save(experiment(), folder)
    saved = json.loads(folder.experiment.read_text())
    for part, name in ((saved["experiment"], "field"), (saved["experiment"]["agent_config"], "f")):
        part[name] = 1
        folder.experiment.write_text(json.dumps(saved))
        with pytest.raises(RunError, match=r"experiment\.json"):
            load(folder)
        del part[name]
    saved["experiment"]["agent"] = "no_such_agent"
    folder.experiment.write_text(json.dumps(saved))
    with pytest.raises(RunError, match="no_such_agent"):
        load(folder)


def test_a_missing_module_of_the_users_own_is_named_with_what_to_do(tmp_path, monkeypatch):
    begun_in = tmp_path / "mine"
    begun_in.mkdir()
    monkeypatch.chdir(begun_in)
    folder = RunFolder(tmp_path / "run")
    folder.create()
    save(experiment(), folder)
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
            load(folder)
        assert str(raised.value).startswith(f"The agent of {folder.root} cannot be loaded: ")
        assert str(raised.value).endswith(f" The run was begun in {begun_in}.")
