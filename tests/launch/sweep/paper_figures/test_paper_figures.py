from __future__ import annotations

import re
from typing import Any

import pytest

from quinoa.agents.exploration import OrnsteinUhlenbeck
from quinoa.launch.commands.running import planned_runs
from quinoa.launch.commands.running.new_experiment import check_environment
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.sweep import paper_figures
from quinoa.launch.sweep.paper_figures import Figure, plan
from tests.launch.helpers import ROOT

GYM = [f"gym:{task}-v4" for task in ("Ant", "HalfCheetah", "Hopper", "Humanoid", "Walker2d")]
ADROIT = [f"adroit:{task}" for task in ("door", "hammer", "pen")]


def experiments(figure: Figure, scale: str) -> dict[tuple[str, str], Experiment]:
    """The experiments of the first seed by line and environment."""
    first = [plan.without_pretraining(run) for run in plan.plan(figure, scale) if run.seed == 0]
    return {
        (run.settings[plan.LINE], run.settings["env"]): planned_runs.experiment_of(run, {})[0]
        for run in first
    }


def configs(figure: Figure, environment: str) -> dict[str, dict[str, Any]]:
    """The agents' settings at the paper's scale by line."""
    return {
        label: vars(experiment.config)
        for (label, its_environment), experiment in experiments(figure, "paper").items()
        if its_environment == environment
    }


@pytest.mark.parametrize("figure", paper_figures.every(), ids=lambda figure: figure.name)
def test_a_figure_can_be_run_and_drawn_at_every_scale(figure):
    assert figure.kind in paper_figures.KINDS
    assert figure.about and figure.source and "\n" not in figure.about
    labels = [line.label for line in figure.lines]
    assert len(set(labels)) == len(labels)
    if figure.kind == "normalized":
        assert figure.baseline in labels
    if figure.claims:
        assert figure.kind == "curves"
    for claim in figure.claims:
        assert claim.relation in paper_figures.RELATIONS
        assert {claim.line, claim.other} <= set(labels)
        for scale in figure.scales.values():
            assert any(map(claim.is_of, scale.environments))
    if figure.kind == "by_setting":
        assert all(float(line.settings[figure.setting]) > 0 for line in figure.lines)
    for scale in paper_figures.SCALES:
        size = figure.scales[scale]
        made = experiments(figure, scale)
        before = {line.label: line for line in figure.pretraining}
        assert len(made) == len(before) + len(labels) * len(size.environments)
        for (label, environment), experiment in made.items():
            check_environment(experiment)
            steps = size.pretraining_steps if label in before else size.steps
            assert (experiment.environment, experiment.steps) == (environment, steps)
        for line in figure.lines:
            if line.init_from:
                assert before[line.init_from].agent_name == line.agent_name
                # So that the networks fit.
                theirs, *ours = (
                    vars(experiment.config)["hidden_sizes"]
                    for (label, _), experiment in made.items()
                    if label in (line.init_from, line.label)
                )
                assert set(ours) == {theirs}
        if figure.kind == "policy":
            assert (len(labels), len(size.environments), size.seeds) == (1, 1, 1)
            assert 1 <= len(figure.states) <= 8


def test_the_scales_grow():
    for figure in paper_figures.every():
        small, medium, paper = (figure.scales[scale] for scale in paper_figures.SCALES)
        assert small.steps <= medium.steps <= paper.steps
        assert small.seeds <= medium.seeds <= paper.seeds
        assert set(small.environments) <= set(medium.environments) <= set(paper.environments)


@pytest.mark.parametrize(("name", "environments"), [("iq-2", GYM), ("iq-3", ADROIT), ("iq-4", GYM)])
def test_iqs_figures_have_the_papers_tasks_seeds_and_steps(name, environments):
    figure = paper_figures.load(name)
    size = figure.scales["paper"]
    assert sorted(size.environments) == environments
    assert (size.seeds, size.steps) == (20, 20_000_000)
    for config in configs(figure, environments[0]).values():
        # "At each interaction", a gradient step.
        assert config["samples_per_insert"] == config["batch_size"] == 256
        assert config["learning_rate"] == (3e-5 if name == "iq-3" else 3e-4)


def test_iq_2_compares_the_papers_algorithms():
    figure = paper_figures.load("iq-2")
    by_label = configs(figure, GYM[0])
    found = {
        label: tuple(config.get(name) for name in ("tau", "alpha", "target_value", "policy"))
        for label, config in by_label.items()
        if label != "SAC"
    }
    assert found == {
        "IQ": (0.01, 0.0, True, "multicategorical"),
        "M-IQ": (0.01, 0.9, True, "multicategorical"),
        "PCL": (1e-4, 0.0, False, "multicategorical"),
        "Trust-PCL": (1e-4, 0.9, False, "multicategorical"),
        "IQ-Gaussian": (0.01, 0.0, True, "gaussian"),
    }
    assert by_label["IQ"]["num_bins"] == 11
    assert (figure.baseline, by_label["SAC"]["target_rate"]) == ("SAC", 0.005)


def test_iq_3_has_adroits_temperature():
    by_label = configs(paper_figures.load("iq-3"), ADROIT[0])
    assert {label: config.get("tau") for label, config in by_label.items()} == {
        "IQ": 0.001,
        "M-IQ": 0.001,
        "SAC": None,
    }
    assert by_label["M-IQ"]["alpha"] == 0.9


def test_iq_4_varies_the_temperature_alone():
    by_label = configs(paper_figures.load("iq-4"), GYM[0])
    taus = [config.pop("tau") for config in map(dict, by_label.values())]
    assert taus == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    others = [{**config, "tau": None} for config in by_label.values()]
    assert all(config == others[0] for config in others)
    assert others[0]["alpha"] == 0


def test_quinoa_1_has_five_seeds_of_three_domains_but_at_the_small_scale():
    figure = paper_figures.load("quinoa-1")
    size = figure.scales["paper"]
    assert [name.split(":")[1] for name in size.environments] == ["cheetah", "walker", "hopper"]
    assert [figure.scales[scale].seeds for scale in paper_figures.SCALES] == [3, 5, 5]
    by_label = configs(figure, size.environments[0])
    quinoa = by_label["Quinoa, the paper's settings"]
    assert (quinoa["learning_rate"], quinoa["value_period"], quinoa["prior_period"]) == (
        1e-3,
        1000,
        1000,
    )
    svg0 = by_label["SVG(0), the paper's settings"]
    assert (svg0["learning_rate"], svg0["target_period"]) == (1e-3, 1000)


def test_the_lines_of_pg_softq_differ_in_what_the_figures_compare_alone():
    def differing(name: str) -> dict[str, dict[str, Any]]:
        by_label = configs(paper_figures.load(name), "minatar:breakout")
        first = next(iter(by_label.values()))
        return {
            label: {key: value for key, value in config.items() if value != first[key]}
            for label, config in by_label.items()
        }

    assert list(differing("pg-softq-1").values()) == [{}, {"returns": "entropy"}]
    assert list(differing("pg-softq-2").values()) == [
        {},
        {"backup": "kl"},
        {"backup": "kl", "tau": 0.01},
        {"backup": "entropy"},
        {"backup": "entropy", "tau": 0.01},
        {"n_step": 5},
    ]
    # c = 1 / 0.01.
    assert list(differing("pg-softq-3").values()) == [
        {},
        {"update": "soft_q"},
        {"value_coefficient": 100.0},
        {"update": "soft_q", "value_coefficient": 100.0},
    ]


def test_fine_tuning_has_the_papers_temperatures_and_a_set_that_shrinks():
    figure = paper_figures.load("sql-4")
    by_label = configs(figure, "didactic:u_maze")
    tuned, scratch = by_label["SQL fine-tuned"], by_label["SQL from scratch"]
    assert (tuned["alpha"], tuned["final_alpha"]) == (0.1, 0.001)
    assert tuned["noise_set_size"] > 1 and not scratch["noise_set_size"]
    assert {**tuned, "noise_set_size": 0} == scratch
    assert by_label["DDPG fine-tuned"] == by_label["DDPG from scratch"]
    (before,) = (
        vars(e.config)
        for (label, _), e in experiments(figure, "paper").items()
        if label == "SQL in the open"
    )
    assert (before["alpha"], before["final_alpha"]) == (0.1, 0)


def test_the_snake_has_the_papers_settings():
    by_label = configs(paper_figures.load("sql-3"), "didactic:swimmer")
    shared = ("hidden_sizes", "batch_size", "min_replay_size", "noise_theta", "noise_sigma")
    for config in by_label.values():
        assert tuple(config[name] for name in shared) == ((200, 200), 64, 10_000, 0.15, 0.3)
        assert (config["learning_rate"], config["target_period"]) == (1e-3, 1000)
    assert by_label["Soft Q-learning"]["sampler_learning_rate"] == 1e-4
    assert by_label["DDPG"]["actor_learning_rate"] == 1e-4


def test_traces_differ_in_temperature_alone():
    by_label = configs(paper_figures.load("sql-7"), "didactic:open_plane")
    alphas = [config.pop("alpha") for config in map(dict, by_label.values())]
    assert alphas == [10.0, 1.0, 0.1, 0.01]
    others = [{**config, "alpha": None} for config in by_label.values()]
    assert all(config == others[0] for config in others)


def test_smoothies_lines_differ_in_the_penalty_alone_and_ddpgs_in_the_memory_of_the_noise():
    by_label = configs(paper_figures.load("smoothie-3"), "gym:Hopper-v4")
    with_kl, without = by_label["Smoothie"], by_label["Smoothie without KL"]
    assert with_kl["kl_weight"] > 0 and without == {**with_kl, "kl_weight": 0.0}
    ddpg, white = by_label["DDPG"], by_label["DDPG with white noise"]
    noise = {"noise_theta": 1.0, "noise_sigma": 0.38}
    assert white == {**ddpg, **noise}
    deviation = OrnsteinUhlenbeck(ddpg["noise_theta"], ddpg["noise_sigma"]).stddev
    assert deviation == pytest.approx(white["noise_sigma"], rel=0.01)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("iq2", r"There is no figure 'iq2'\. Did you mean iq-2"),
        (
            "xyzzy",
            r"The figures are iq-2, iq-3, iq-4, pg-softq-1, pg-softq-2, "
            r"pg-softq-3, quinoa-1, quinoa-2, smoothie-1, smoothie-3, sql-1, sql-3, "
            r"sql-4, sql-7\.",
        ),
    ],
)
def test_an_unknown_figure_names_the_nearest(name, message):
    with pytest.raises(ExperimentError, match=message):
        paper_figures.load(name)


def test_the_page_says_how_large_each_is():
    page = (ROOT / "docs" / "figures.md").read_text()
    rows = re.findall(r"^\| `(\S+)` \| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,.]+) \|$", page, re.M)
    expected = []
    for figure in paper_figures.every():
        for scale in paper_figures.SCALES:
            runs, made = plan.plan(figure, scale), experiments(figure, scale)
            seeds = figure.scales[scale].seeds
            hours = seeds * sum(plan.core_seconds(figure, each) for each in made.values()) / 3600
            sizes = (f"{len(runs):,}", f"{runs[-1].steps:,}", f"{hours:,.1f}")
            expected.append((figure.name, scale, *sizes))
    assert rows == expected
