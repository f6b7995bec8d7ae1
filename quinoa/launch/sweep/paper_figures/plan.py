"""The runs of a paper's figure, as the plan of a sweep."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from quinoa.agents.config import OffPolicyConfig
from quinoa.launch.sweep.paper_figures import Figure, Line
from quinoa.launch.sweep.plan import folder_name
from quinoa.launch.sweep.sweep_folder import PlannedRun

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment

# The setting of a planned run that is the label of its line.
LINE = "line"
_INIT_FROM = "--init_from="


def plan(figure: Figure, scale: str) -> list[PlannedRun]:
    """Plans a run for each seed, environment and line.

    The runs of the first seed come first, so that a sweep that is stopped early has runs of every
    line. Of each seed, those of pre-training do.

    Args:
        figure: the figure.
        scale: one of `SCALES`.
    """
    size = figure.scales[scale]
    runs: list[PlannedRun] = []

    def add(line: Line, environment: str, seed: int, steps: int, init_from: str = "") -> None:
        train = {**figure.train, **size.train, **({"init_from": init_from} if init_from else {})}
        runs.append(
            PlannedRun(
                name=folder_name(len(runs), [line.label, environment], seed),
                settings={"agent": line.agent_name, "env": environment, LINE: line.label},
                seed=seed,
                steps=steps,
                arguments=(
                    *line.flags(),
                    f"--env={environment}",
                    f"--seed={seed}",
                    f"--steps={steps}",
                    *(f"--{name}={value}" for name, value in train.items()),
                ),
            )
        )

    for seed in range(size.seeds):
        trained: dict[str, str] = {}
        for line in figure.pretraining:
            add(line, line.environment, seed, size.pretraining_steps)
            # Within the sweep's folder, which may be moved.
            trained[line.label] = runs[-1].name
        for environment in size.environments:
            for line in figure.lines:
                init_from = trained[line.init_from] if line.init_from else ""
                add(line, environment, seed, size.steps, init_from)
    return runs


def is_pretraining(figure: Figure, run: PlannedRun) -> bool:
    """Whether a planned run is one that others begin with."""
    return run.settings[LINE] in [line.label for line in figure.pretraining]


def without_pretraining(run: PlannedRun) -> PlannedRun:
    """The same run from scratch: what can be checked before the run that it begins with is over."""
    kept = tuple(text for text in run.arguments if not text.startswith(_INIT_FROM))
    return dataclasses.replace(run, arguments=kept)


def core_seconds(figure: Figure, experiment: Experiment) -> float:
    """Estimates the processor time of a run, in seconds of one core.

    That is its environment steps, and the transitions that it learns from, at the figure's rates.
    Evaluations and the start of its processes are not counted.

    Args:
        figure: the figure.
        experiment: that of the run.
    """
    config = experiment.config
    each = config.samples_per_insert if isinstance(config, OffPolicyConfig) else 1.0
    return experiment.steps * (1.0 / figure.core_steps + each / figure.core_transitions)
