from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import re

import pytest

from quinoa.agents import registry
from quinoa.config import parsing
from quinoa.environments.source import environment_source
from quinoa.launch import cli, presets
from quinoa.launch.commands.options import train_flags
from quinoa.launch.commands.running.new_experiment import make_experiment
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment.validation import validate
from tests.launch import factories
from tests.launch.helpers import ROOT

SUITES = {"adroit", "atari", "dm_control", "gym", "minatar", "toy"}
NAMES = [preset.name for preset in presets.every()]


def experiment_of(*arguments):
    values = train_flags.define()
    cli._parse("train", values, list(arguments))
    return make_experiment(values, {})


def test_every_suite_has_presets_of_a_paper_and_of_ours():
    """But for the small decision processes, for which no paper has settings."""
    assert {name.split("/")[0] for name in NAMES} == SUITES
    for suite in SUITES:
        origins = {p.origin for p in presets.every() if p.name.startswith(suite)}
        assert "paper" in origins or suite == "toy"
        assert origins & {"measured", "untried"}


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_what_is_known_and_its_fields_exist_and_work(name):
    preset = presets.load(name)
    assert preset.name == name
    assert preset.origin in presets.ORIGINS
    assert preset.about and "\n" not in preset.about
    assert {"agent", "env"} <= set(preset.flags) <= set(presets.FLAGS)
    experiment = experiment_of(f"--preset={name}")
    assert experiment.preset == name
    assert (experiment.agent, experiment.environment) == (
        preset.flags["agent"],
        preset.flags["env"],
    )
    assert experiment.steps == int(preset.flags["steps"])
    for field in preset.settings:
        assert hasattr(experiment.agent_config, field)
    # The agent's own preset with these settings, and nothing else.
    plain = registry.load(preset.flags["agent"]).config
    assert experiment.agent_config == parsing.override(plain, preset.settings)


# One of each agent and suite: validating makes the environment and the agent.
@pytest.mark.parametrize("name", ["dm_control/quinoa_paper", "gym/trust_pcl", "adroit/m_iq"])
def test_a_preset_can_be_run(name):
    validate(experiment_of(f"--preset={name}"))


@pytest.mark.parametrize("preset", [p for p in presets.every() if p.origin == "measured"])
def test_what_is_said_to_be_measured_is_in_the_results(preset):
    results = (ROOT / "docs" / "results.md").read_text()
    (mean,) = re.findall(r": (-?[\d.]+) after ", preset.about)
    task = preset.flags["env"]
    if task.startswith("control:"):
        task = task.removeprefix("control:").replace(":", "-")
    rows = [line for line in results.splitlines() if f"| {task} |" in line]
    agent = preset.flags["agent"]
    assert any(f"`{agent}`" in row and f"| {mean} |" in row for row in rows)


def test_a_recommended_preset_was_measured_and_is_taken_for_its_own_task():
    recommended = [preset for preset in presets.every() if preset.recommended_for]
    suites = {preset.name.partition("/")[0] for preset in recommended}
    assert {"dm_control", "gym"} <= suites
    for preset in recommended:
        assert preset.origin == "measured"
        assert "recommended" in preset.description
        assert presets.recommended(preset.flags["env"]) is preset


def test_no_environment_has_two_recommended_presets_but_by_a_longer_pattern():
    patterns = [pattern for preset in presets.every() for pattern in preset.recommended_for]
    for one, other in itertools.permutations(patterns, 2):
        assert not fnmatch.fnmatchcase(one, other) or len(one) > len(other)


def test_a_task_of_a_suite_that_has_a_recommended_preset_may_have_its_own():
    suite, task = (
        presets.recommended("control:cheetah:run"),
        presets.recommended("control:hopper:stand"),
    )
    assert suite is not None and task is not None
    assert suite.recommended_for == ("control:*",)
    assert task.recommended_for == ("control:hopper:*",)
    assert (suite.name, task.name) == ("dm_control/iq_categorical", "dm_control/iq_hopper")
    # A task's own comes before that of its body's tasks.
    own = presets.recommended("control:hopper:hop")
    assert own is not None and own.name == "dm_control/iq_hopper_hop"


def test_a_preset_may_be_recommended_for_some_tasks_of_a_suite():
    preset = presets.recommended("gym:HalfCheetah-v5")
    assert preset is not None
    assert preset.flags["agent"] == "sac"
    assert presets.recommended("gym:HalfCheetah-v4") is preset
    other = presets.recommended("gym:Walker2d-v5")
    assert other is not None
    assert other.flags["agent"] == "crossq_small"
    assert presets.recommended("gym:Ant-v4") is other
    # It has finitely many actions, which neither can take.
    assert presets.recommended("gym:CartPole-v1") is None


def test_an_environment_alone_is_trained_by_what_is_recommended_for_it():
    preset = presets.recommended("control:hopper:hop")
    assert preset is not None
    experiment = experiment_of("--env=control:hopper:hop")
    assert (experiment.environment, experiment.preset) == ("control:hopper:hop", preset.name)
    assert experiment.steps == int(preset.flags["steps"])
    named = experiment_of(f"--preset={preset.name}", "--env=control:hopper:hop")
    assert experiment == named
    changed = experiment_of("--env=control:hopper:hop", "--steps=7", "--set=batch_size=32")
    assert (changed.steps, changed.agent_config.batch_size) == (7, 32)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--agent=iq",),
        ("--agent=iq", "--env=control:hopper:hop"),
        ("--env=tests.environments.fakes:make",),
    ],
    ids=["nothing", "an agent", "both", "an environment of no suite"],
)
def test_anything_else_is_trained_by_no_preset(arguments):
    experiment = experiment_of(*arguments)
    assert experiment.preset is None
    assert experiment.agent_config == registry.load("iq").config


def test_given_flags_and_settings_come_before_a_presets():
    experiment = experiment_of(
        "--preset=dm_control/m_iq",
        "--env=control:walker:run",
        "--steps=3e5",
        "--set=tau=0.5",
        "--set=batch_size=32",
    )
    assert (experiment.environment, experiment.steps) == ("control:walker:run", 300_000)
    config = dataclasses.asdict(experiment.agent_config)
    assert (config["tau"], config["batch_size"]) == (0.5, 32)
    assert (config["target_rate"], config["alpha"]) == (0.02, 0.9)
    assert config["samples_per_insert"] == 64
    ratio = experiment_of("--preset=dm_control/m_iq", "--samples_per_insert=8")
    assert ratio.config.samples_per_insert == 8


def test_an_agent_with_the_same_settings_may_take_a_preset_and_no_other():
    experiment = experiment_of("--preset=dm_control/iq", "--agent=iq_flow")
    assert (experiment.agent, getattr(experiment.agent_config, "policy")) == ("iq_flow", "flow")  # noqa: B009
    with pytest.raises(ExperimentError, match="has settings of iq, which quinoa does not have"):
        experiment_of("--preset=dm_control/iq", "--agent=quinoa")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "dm_control/m_iqq",
            r"There is no preset 'dm_control/m_iqq'\. Did you mean dm_control/m_iq",
        ),
        ("adroid/iq", r"Did you mean adroit/iq"),
        ("quinoa_paper", r"Did you mean dm_control/quinoa_paper\?"),
        ("adroit", r"Did you mean adroit/iq or adroit/m_iq or adroit/quinoa\?"),
        ("xyzzy", r"The presets are adroit/iq, .*toy/soft_q_cliff_walking\."),
    ],
)
def test_an_unknown_preset_names_the_nearest(name, message):
    with pytest.raises(ExperimentError, match=message):
        presets.load(name)


OWN = """
[fast]
agent = "iq"
env = "control:cartpole:balance"
steps = 3_000
[fast.set]
tau = 0.02
hidden_sizes = [32, 32]
[fast.env_set]
time_limit = 5
swing_up = [true, "no"]

[slow]
about = "the same, more slowly"
origin = "measured"
agent = "iq"
env = "control:cartpole:swingup"
"""


def test_a_preset_of_ones_own_comes_from_its_file_and_is_remembered_by_its_whole_path(
    tmp_path, monkeypatch
):
    (tmp_path / "mine.toml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    experiment = experiment_of("--preset=./mine.toml:fast", "--set=tau=0.03")
    assert (experiment.environment, experiment.steps) == ("control:cartpole:balance", 3000)
    assert vars(experiment.agent_config)["tau"] == 0.03
    assert vars(experiment.agent_config)["hidden_sizes"] == (32, 32)
    assert experiment.preset == f"{tmp_path}/mine.toml:fast"
    assert presets.load("mine.toml:fast").description == "your own"
    slow = presets.load(f"{tmp_path}/mine.toml:slow")
    assert slow.description == f"the same, more slowly ({presets.ORIGINS['measured']})"


def test_arguments_of_the_environment_come_from_a_preset_unless_they_are_given(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    chosen = f"--preset={path}:fast"
    assert experiment_of(chosen).env_kwargs == {"time_limit": 5, "swing_up": [True, "no"]}
    experiment = experiment_of(chosen, "--env_set=time_limit=7", "--env_set=other=x")
    assert experiment.env_kwargs == {"time_limit": 7, "swing_up": [True, "no"], "other": "x"}
    assert experiment_of(chosen, "--env=control:walker:run").env_kwargs["time_limit"] == 5
    assert experiment_of(chosen, "--env=gym:Hopper-v5").env_kwargs == {}


def test_an_environment_that_is_an_object_gets_no_arguments_of_a_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    values = train_flags.define()
    cli._parse("train", values, [f"--preset={path}:fast"])
    source = environment_source(lambda seed: factories.match(seed))
    assert make_experiment(values, {}, source).env_kwargs == {}


def test_a_file_with_one_preset_needs_no_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN.partition("[slow]")[0])
    assert presets.load(str(path)) == presets.load(f"{path}:fast")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (OWN, "", r"mine.toml holds fast, slow: say which is meant, --preset=.*mine.toml:NAME"),
        (OWN, ":fats", r"no preset 'fats': .* holds fast, slow\. Did you mean fast\?"),
        ("", "", "mine.toml holds no preset"),
        ("[fast", "", r"mine.toml cannot be read: Expected '\]'"),
        ('agent = "iq"', "", r"mine.toml:agent stands outside of any preset"),
        ('[a]\nagent = "iq"', "", "mine.toml:a lacks env"),
        ('[a]\nenv = "a:b"', "", "mine.toml:a lacks agent"),
        (
            '[a]\nagent = "iq"\nenv = "a:b"\nstep = 3',
            "",
            r"mine.toml:a has 'step', which none has\. Did you mean steps\?",
        ),
        ('[a]\nagent = "iq"\nenv = "a:b"\ntau = 3', "", r"'tau', .* go into \[a\.set\]"),
        ('[a]\nagent = "iq"\nenv = "a:b"\norigin = "me"', "", "origin must be one of paper"),
        ('[a]\nagent = "iq"\nenv = ["a:b"]', "", "mine.toml:a: env must be one value"),
        ('[a]\nagent = "iq"\nenv = "a:b"\nset = 3', "", r"set must be a table \[a\.set\]"),
        ('[a]\nagent = "iq"\nenv = "a:b"\nenv_set = 3', "", "env_set must be a table"),
        (
            '[a]\nagent = "iq"\nenv = "a:b"\nenv_set.day = 2026-01-02',
            "",
            "mine.toml:a: day = .* cannot be stored as JSON",
        ),
        ('[a]\nagent = "iq"\nenv = "a:b"\nset.tau = {}', "", "mine.toml:a: tau = {} is no setting"),
        ('[a]\nagent = "iq"\nenv = "a:b"\nsteps = "many"', "", "mine.toml:a: .*whole number"),
        (
            '[a]\nagent = "iq"\nenv = "a:b"\nset.tauu = 1',
            "",
            "mine.toml:a: .* no field 'tauu'. Did you mean tau?",
        ),
        ('[a]\nagent = "iq"\nenv = "a:b"\nset.tau = -1', "", "mine.toml:a: tau = -1.0 cannot work"),
        ('[a]\nagent = "IQ"\nenv = "a:b"', "", "no agent 'IQ'. Did you mean iq?"),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_is_said(tmp_path, text, name, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ExperimentError, match=message):
        experiment_of(f"--preset={path}{name}")


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path):
    with pytest.raises(ExperimentError, match="cannot be read: No such file"):
        presets.load(str(tmp_path / "none.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ExperimentError, match="cannot be read"):
        presets.load(str(tmp_path / "bytes.toml"))
