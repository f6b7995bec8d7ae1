"""Draws what the presets for the control suite learn, beside what others have published.

    python scripts/preset_returns.py [--out=docs/images/presets.png]

Also prints the table of it that README.md and docs/results.md have. Both are of the evaluations in
`docs/data`, up to 500,000 simulator steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from quinoa.launch.analysis import plots
from quinoa.launch.analysis.curves import Curve

DATA = Path(__file__).resolve().parents[1] / "docs/data"
PUBLISHED = ("SAC", "TD-MPC2", "BRO", "SimBa", "SimbaV2")
SIMULATOR_STEPS = 500_000
_IMAGE = DATA.parent / "images/presets.png"


class Measured(NamedTuple):
    """Where the evaluations of a preset's runs are.

    Attributes:
        task: the domain and the task, such as cheetah-run.
        preset: its name, without the suite.
        file: the name of a file in docs/data.
        change: what the file's column `change` says of these runs; None if it has no such column.
        action_repeat: the simulator steps of an action.
        updates: the gradient steps for each simulator step.
    """

    task: str
    preset: str
    file: str
    change: str | None = None
    action_repeat: int = 1
    updates: str = "1/4"


_ACTOR_EPISODES = (
    "action_repeat=2 samples_per_insert=256 action_noise=pink num_bins=3 n_step=3 "
    "path_consistency=true {}deterministic_action=mean actor_episode_steps={}"
)
MEASURED = (
    Measured(
        "cheetah-run",
        "meow_normalized",
        "meow_search.csv",
        "environments_per_actor=4 samples_per_insert=256",
        updates="1",
    ),
    Measured("cheetah-run", "iq_categorical", "categorical_value.csv", "value_bins=61"),
    Measured("walker-run", "iq_categorical", "categorical_value.csv", "value_bins=61"),
    Measured(
        "walker-walk",
        "iq_walker_walk",
        "iq_search.csv",
        "environments_per_actor=4 learning_rate_schedule=linear learning_rate_final=0.1 "
        "deterministic_action=mean actor_episode_steps=250",
    ),
    Measured("reacher-hard", "iq_normalized", "iq_normalized.csv"),
    Measured(
        "hopper-stand",
        "iq_hopper",
        "iq_search.csv",
        _ACTOR_EPISODES.format("tau=0.03 ", 125),
        action_repeat=2,
        updates="1/2",
    ),
    Measured(
        "hopper-hop",
        "iq_hopper_hop",
        "iq_search.csv",
        _ACTOR_EPISODES.format("", 250),
        action_repeat=2,
        updates="1/2",
    ),
)


def curves(measured: Measured) -> list[Curve]:
    """The evaluations of a preset's runs by simulator steps, one curve a seed."""
    table = pd.read_csv(DATA / measured.file)
    table = table[table["environment"] == f"control:{measured.task.replace('-', ':')}"]
    if measured.change is not None:
        table = table[table["change"] == measured.change]
    return [
        Curve(
            of_seed["actor_steps"].to_numpy(float) * measured.action_repeat,
            of_seed["return_mean"].to_numpy(float),
        )
        for _, of_seed in table.groupby("seed")
    ]


def published(task: str) -> dict[str, tuple[float, int]]:
    """What others have on a task after 500,000 simulator steps, and the number of their seeds."""
    table = pd.read_csv(DATA / "published.csv")
    table = table[table["environment"] == f"control:{task.replace('-', ':')}"]
    table = table[table["simulator_steps"] == SIMULATOR_STEPS].set_index("agent")
    return {name: (table["return_mean"][name], int(table["seeds"][name])) for name in PUBLISHED}


def table() -> list[str]:
    """The lines of the table, in Markdown."""
    lines = [
        f"| task | preset | updates a simulator step | ours | {' | '.join(PUBLISHED)} |",
        "| --- | --- | --- | --- " + "| --- " * len(PUBLISHED) + "|",
    ]
    for measured in MEASURED:
        finals = [curve.y[-1] for curve in curves(measured)]
        cells = [measured.task, f"`{measured.preset}`", measured.updates]
        cells += [f"**{np.mean(finals):.0f}** ({len(finals)})"]
        cells += [f"{mean:.0f} ({seeds})" for mean, seeds in published(measured.task).values()]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def draw(path: Path) -> None:
    """Draws a panel for each task: our curves, and a level for each of the others."""
    panels: dict[str, dict[str, Sequence[Curve]]] = {}
    for measured in MEASURED:
        lines = panels.setdefault(measured.task, {})
        lines["MEow" if measured.preset.startswith("meow") else "IQ"] = curves(measured)
    steps = np.array([0.0, SIMULATOR_STEPS])
    for task, lines in panels.items():
        for name, (mean, _) in published(task).items():
            lines[f"{name}, published"] = [Curve(steps, np.full(2, mean))]
    figure = plots.draw_panels([plots.Panel(task, lines) for task, lines in panels.items()])
    for axes in figure.axes:
        axes.set(xlabel="simulator steps", ylim=(0, None))
        for line in axes.lines:
            if np.size(line.get_xdata()) == len(steps):
                line.set(linewidth=0.8, alpha=0.7)
    plots.save(figure, path)


def main() -> None:
    """Draws the picture and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=_IMAGE, help="the picture")
    arguments = parser.parse_args()
    draw(arguments.out)
    print("\n".join(table()))


if __name__ == "__main__":
    main()
