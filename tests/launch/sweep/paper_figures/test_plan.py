from __future__ import annotations

from typing import Any

import pytest

from quinoa.launch.sweep.paper_figures import plan
from tests.launch.helpers import experiment
from tests.launch.sweep.paper_figures.made import TASKS, make_figure

LINES: list[dict[str, Any]] = [
    {"label": "A line", "preset": "dm_control/iq"},
    {"label": "B", "agent": "m_iq", "set": {"tau": 0.1, "hidden_sizes": [8, 8]}},
]


def test_a_run_for_each_seed_environment_and_line_the_first_seed_first():
    figure = make_figure("curves", LINES, seeds=3)
    runs = plan.plan(figure, "small")
    assert len(runs) == len({run.name for run in runs}) == 12
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4 + [2] * 4
    assert [run.settings["env"] for run in runs[:4]] == [TASKS[0]] * 2 + [TASKS[1]] * 2
    assert runs[0].name == "000-A_line-control_a_a-s0"
    assert runs[0].settings == {"agent": "iq", "env": TASKS[0], "line": "A line"}
    assert runs[-1].settings == {"agent": "m_iq", "env": TASKS[1], "line": "B"}


def test_flags_are_the_lines_the_figures_and_the_scales():
    figure = make_figure("curves", LINES, train={"engine": "serial", "num_actors": 1})
    first, second, *_ = plan.plan(figure, "medium")
    common = (f"--env={TASKS[0]}", "--seed=0", "--steps=20", "--engine=serial", "--num_actors=1")
    assert first.arguments == ("--preset=dm_control/iq", *common)
    assert second.arguments == ("--agent=m_iq", "--set=tau=0.1", "--set=hidden_sizes=8,8", *common)
    assert first.steps == 20


def test_of_each_seed_what_others_begin_with_comes_first():
    before = {"label": "Before", "agent": "iq", "environment": "control:c:c"}
    lines = [
        {"label": "Tuned", "agent": "iq", "init_from": "Before"},
        {"label": "B", "agent": "iq"},
    ]
    figure = make_figure("curves", lines, pretraining=[before], pretraining_steps=7)
    runs = plan.plan(figure, "small")
    assert [run.settings["line"] for run in runs[:5]] == ["Before", "Tuned", "B", "Tuned", "B"]
    first, tuned, scratch, *_ = runs
    assert (first.steps, first.settings["env"], tuned.steps) == (7, "control:c:c", 20)
    assert f"--init_from={first.name}" in tuned.arguments
    # Each seed has its own.
    assert f"--init_from={runs[5].name}" in runs[6].arguments
    assert runs[5].seed == runs[6].seed == 1
    assert not any("init_from" in text for text in (*first.arguments, *scratch.arguments))
    assert [plan.is_pretraining(figure, run) for run in runs[:3]] == [True, False, False]
    alone = plan.without_pretraining(tuned)
    assert set(tuned.arguments) - set(alone.arguments) == {f"--init_from={first.name}"}
    assert (alone.name, alone.steps) == (tuned.name, tuned.steps)


def test_time_is_that_of_the_steps_and_of_what_is_learned_from():
    figure = make_figure("curves", LINES)
    # 1000 environment steps a second, and 64 transitions for each at 10,000 a second.
    small = experiment(steps=1500, samples_per_insert=64.0)
    assert plan.core_seconds(figure, small) == pytest.approx(1.5 + 1500 * 64 / 10_000)
