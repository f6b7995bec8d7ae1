"""Figures that no paper has, and the folders of their runs, written without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quinoa.launch.storage.files import write_json
from quinoa.launch.sweep import paper_figures
from quinoa.launch.sweep.paper_figures import SCALES, Figure, plan
from quinoa.launch.sweep.paper_figures.figure_folder import FigureFolder
from tests.launch.written_runs import write_run

# The environments of most of them.
TASKS = ("control:a:a", "control:b:b")


def make_figure(
    kind: str,
    lines: Sequence[Mapping[str, Any]],
    *,
    environments: Sequence[str] = TASKS,
    seeds: int = 2,
    steps: int = 20,
    train: Mapping[str, Any] | None = None,
    pretraining_steps: int = 0,
    **fields: Any,
) -> Figure:
    """A figure that has the same runs at every scale."""
    size = {
        "environments": list(environments),
        "seeds": seeds,
        "steps": steps,
        "train": {},
        "pretraining_steps": pretraining_steps,
    }
    table = {
        "about": "what it shows",
        "source": "a paper",
        "kind": kind,
        "lines": list(lines),
        "train": train or {},
        "scales": dict.fromkeys(SCALES, size),
        "core_steps": 1000,
        "core_transitions": 10_000,
        **fields,
    }
    return paper_figures.figure_of("made", table)


def begin(root: Path, figure: Figure) -> FigureFolder:
    """A folder in which the figure's runs are planned and none has been started."""
    folder = FigureFolder(root, figure)
    folder.sweep.create()
    folder.sweep.save(plan.plan(figure, "small"), 1, [], root)
    folder.set_scale("small")
    return folder


def finish(folder: FigureFolder, finals: Mapping[tuple[str, str, int], float]) -> None:
    """Writes finished runs, of which the last of three evaluations has a given return.

    Args:
        folder: of the figure.
        finals: by a run's line, environment and seed.
    """
    for planned in folder.sweep.load():
        environment = planned.settings["env"]
        final = finals.get((planned.settings[plan.LINE], environment, planned.seed))
        if final is not None:
            run = write_run(
                folder.sweep.run(planned).root,
                [0.0, final / 2, final],
                agent=planned.settings["agent"],
                environment=environment,
                seed=planned.seed,
                max_episode_steps=100,
            )
            write_json(run.result, {"outcome": "finished"})
