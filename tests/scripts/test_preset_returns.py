"""The pages have the table of `scripts/preset_returns.py`, which is of runs as they should be."""

from __future__ import annotations

from fractions import Fraction

import pytest

from quinoa.agents import registry
from quinoa.launch import presets
from tests.launch.helpers import ROOT
from tests.scripts.loaded import module_of

script = module_of(ROOT / "scripts" / "preset_returns.py")
each_preset = pytest.mark.parametrize(
    "measured", script.MEASURED, ids=lambda m: f"{m.task}-{m.preset}"
)


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_a_page_has_the_table_as_the_data_say(page):
    assert "\n".join(script.table()) in (ROOT / page).read_text(encoding="utf-8")


@each_preset
def test_three_seeds_came_to_the_steps_of_the_table(measured):
    curves = script.curves(measured)
    assert len(curves) == 3
    assert [curve.x[-1] / script.SIMULATOR_STEPS for curve in curves] == pytest.approx(
        [1] * 3, rel=0.01
    )


@each_preset
def test_the_updates_of_the_table_are_the_presets(measured):
    preset = presets.load(f"dm_control/{measured.preset}")
    action_repeat = int(preset.flags.get("action_repeat", 1))
    batch_size = registry.load(preset.flags["agent"]).config.batch_size
    of_an_action = Fraction(preset.settings["samples_per_insert"]) / batch_size
    assert action_repeat == measured.action_repeat
    assert of_an_action / action_repeat == Fraction(measured.updates)


def test_the_picture_has_a_panel_for_each_task(tmp_path):
    script.draw(tmp_path / "presets.png")
    assert (tmp_path / "presets.png").read_bytes().startswith(b"\x89PNG")
