"""The runs of a paper's figure, as the plan of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quinoa.agents.config import OffPolicyConfig
from quinoa.launch.sweep.paper_figures import Figure
from quinoa.launch.sweep.plan import folder_name
from quinoa.launch.sweep.sweep_folder import PlannedRun

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment

# The setting of a planned run that is the label of its line.
LINE = "line"


def plan(figure: Figure, scale: str) -> list[PlannedRun]:
    """Plans a run for each seed, environment and line.

    The runs of the first seed come first, so that a sweep that is stopped early has runs of every
    line.

    Args:
        figure: the figure.
        scale: one of `SCALES`.
    """
    size = figure.scales[scale]
    train = [f"--{name}={value}" for name, value in {**figure.train, **size.train}.items()]
    runs: list[PlannedRun] = []
    for seed in range(size.seeds):
        for environment in size.environments:
            for line in figure.lines:
                runs.append(
                    PlannedRun(
                        name=folder_name(len(runs), [line.label, environment], seed),
                        settings={"agent": line.agent_name, "env": environment, LINE: line.label},
                        seed=seed,
                        steps=size.steps,
                        arguments=(
                            *line.flags(),
                            f"--env={environment}",
                            f"--seed={seed}",
                            f"--steps={size.steps}",
                            *train,
                        ),
                    )
                )
    return runs


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
