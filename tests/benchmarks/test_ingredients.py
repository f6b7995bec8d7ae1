from typing import ClassVar

import pytest

from benchmarks import ingredients, learner, stage
from benchmarks.setting import of_preset
from quinoa.agents import registry


class FakeStage:
    """Answers as learners would that are fastest without all ingredients."""

    cores: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, function, arguments, *, cores, threads):
        assert (function, arguments) == ("benchmarks.ingredients:take_turns", {})
        assert threads == len(cores)
        self.cores.append(tuple(cores))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def answer(self):
        return [[80.0, 90.0], [90.0, 90.0], [80.0, 90.0], [82.0, 90.0], [100.0, 100.0]]


def test_each_ingredient_is_left_out_and_then_all_of_them(monkeypatch):
    monkeypatch.setattr(stage, "Stage", FakeStage)
    monkeypatch.setattr(stage, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(FakeStage, "cores", [])
    rows = list(ingredients.run())
    assert FakeStage.cores == [(0, 1), (0,)]
    assert [row.reference_name for row in rows[:4]] == [
        "the same without layer_norm",
        "the same without normalize_observations",
        "the same without value_bins",
        "the same without all three",
    ]
    assert [row.goal for row in rows[:4]] == [None, None, None, 0.85]
    assert rows[3].ratio == pytest.approx(0.85) and rows[3].holds
    assert rows[0].case.endswith("2 of 2 cores") and rows[4].case.endswith("1 of 2 cores")


def test_what_is_left_out_is_of_the_preset_and_not_the_agents_default():
    preset = of_preset(ingredients.PRESET)
    default = registry.load(preset["agent"]).config
    for left_out in ingredients.cases().values():
        for name, value in left_out.items():
            assert preset["settings"][name] != value == getattr(default, name)


def test_the_learners_take_turns(monkeypatch):
    monkeypatch.setattr(ingredients, "_SECONDS", 0.01)
    monkeypatch.setattr(ingredients, "_ROUNDS", 2)
    monkeypatch.setattr(ingredients, "_STEPS_PER_CALL", 1)
    speeds = ingredients.take_turns()
    assert len(speeds) == 1 + len(ingredients.cases())
    assert all(len(of_side) == 2 and min(of_side) > 0 for of_side in speeds)


def test_the_learners_benchmark_has_it():
    assert learner.parts()[-1].run is ingredients.run
