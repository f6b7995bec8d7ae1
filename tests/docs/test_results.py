"""The tables of docs/results.md say what the files of results beside it say."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.launch.helpers import ROOT

DOCS = ROOT / "docs"
DATA = DOCS / "data"
AGENTS = ("SAC", "TD-MPC2", "BRO", "SimBa", "SimbaV2")
STEPS = 500_000


def rows() -> list[list[str]]:
    """The cells of the rows of the table of published numbers."""
    text = (DOCS / "results.md").read_text(encoding="utf-8")
    head = f"| task | ours | {' | '.join(AGENTS)} |\n"
    table = text[text.index(head) :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")[2:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_what_is_set_beside_ours_is_what_was_published(row):
    task, _, *cells = row
    environment = f"control:{task.replace('-', ':')}"
    published = pd.read_csv(DATA / "published.csv")
    published = published[
        (published["environment"] == environment) & (published["simulator_steps"] == STEPS)
    ]
    expected = [f"{of.return_mean:.0f} ({of.seeds})" for of in published.itertuples()]
    assert list(published["agent"]) == list(AGENTS)
    assert cells == expected


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_ours_is_the_mean_of_the_last_evaluations(row):
    task, ours, *_ = row
    environment = f"control:{task.replace('-', ':')}"
    changes = pd.read_csv(DATA / "categorical_value.csv")
    preset = changes[changes["change"] == "value_bins=61"]
    normalized = pd.read_csv(DATA / "iq_normalized.csv")
    evaluations = normalized if task == "reacher-hard" else preset
    last = evaluations[evaluations["environment"] == environment].groupby("seed").last()
    mean, seeds = re.fullmatch(r"(\d+) \((\d)\)", ours).groups()  # type: ignore[union-attr]
    assert (last["actor_steps"] >= STEPS * 0.99).all()
    assert (int(mean), int(seeds)) == (round(last["return_mean"].mean()), len(last))
