from __future__ import annotations

import dataclasses
import re

import pytest

from quinoa.agents import registry
from quinoa.launch import cli, presets
from quinoa.launch.commands import train_flags
from quinoa.launch.commands.new_experiment import make_experiment
from quinoa.launch.errors import ExperimentError
from tests.launch.helpers import ROOT

NAMES = [preset.name for preset in presets.every()]


def experiment_of(*arguments):
    values = train_flags.define()
    cli._parse("train", values, list(arguments))
    return make_experiment(values, {})


def test_every_suite_has_presets_of_a_paper_and_of_ours():
    assert {name.split("/")[0] for name in NAMES} == {"adroit", "dm_control", "gym"}
    for suite in ("adroit", "dm_control", "gym"):
        origins = {p.origin for p in presets.every() if p.name.startswith(suite)}
        assert "paper" in origins
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
    assert experiment.agent_config == registry.override(plain, preset.settings)


# One of each agent and suite: validating makes the environment and the agent.
@pytest.mark.parametrize("name", ["dm_control/quinoa_paper", "gym/trust_pcl", "adroit/m_iq"])
def test_a_preset_can_be_run(name):
    experiment_of(f"--preset={name}").validate()


@pytest.mark.parametrize("preset", [p for p in presets.every() if p.origin == "measured"])
def test_what_is_said_to_be_measured_is_in_the_results(preset):
    results = (ROOT / "docs" / "results.md").read_text()
    (mean,) = re.findall(r": (\d+) after ", preset.about)
    task = preset.flags["env"].removeprefix("control:").replace(":", "-")
    rows = [line for line in results.splitlines() if f"| {task} |" in line]
    agent = preset.flags["agent"]
    assert any(f"`{agent}`" in row and f"| {mean} |" in row for row in rows)


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
        ("xyzzy", r"The presets are adroit/iq, .*gym/quinoa\."),
    ],
)
def test_an_unknown_preset_names_the_nearest(name, message):
    with pytest.raises(ExperimentError, match=message):
        presets.load(name)
