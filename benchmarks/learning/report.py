"""What the curves of a task say, as a table and a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import machine
from benchmarks.learning.curve import Curve
from benchmarks.learning.systems import Quinoa, System
from quinoa.launch.terminal import numbers

# Of a peer's return at the last step: what the others' time to is asked for.
_SHARE = 0.9
_MINUTES = (10, 30)
# Okabe and Ito's colours, which all people can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

Curves = Mapping[tuple[str, str, int], Curve]


def write(curves: Curves, systems: Mapping[str, System], steps: int, folder: Path) -> str:
    """Writes results.md and return.png.

    Args:
        curves: by task, system and seed.
        systems: by name.
        steps: environment steps of a peer's run.
        folder: where to, which exists.

    Returns:
        The table.
    """
    text = table(curves, systems, steps)
    head = f"`python -m benchmarks.learning` on {machine.describe()}"
    (folder / "results.md").write_text(f"{head}\n\n{text}\n", encoding="utf-8")
    _draw(curves, systems, folder / "return.png")
    return text


def table(curves: Curves, systems: Mapping[str, System], steps: int) -> str:
    """A Markdown table: a row for each task and system, the mean over its seeds.

    Our runs have more steps than a peer's: returns and minutes are at a peer's last step, and at
    the end of a run. What is at a step that a run did not come to is left empty.

    `time to 90 %` is until an evaluation and the two before it have, in the mean, nine tenths of
    what each peer has at its last step, the mean over the peer's seeds; if some have not, how
    long the first to end of these was tried.
    """
    tasks = list(dict.fromkeys(task for task, _, _ in curves))
    rivals = [name for name, system in systems.items() if not isinstance(system, Quinoa)]
    titles = ["task", "system", "seeds"]
    titles += [f"return at {steps:,} steps", f"minutes to {steps:,} steps"]
    titles += ["steps at the end", "minutes at the end", "return at the end"]
    titles += [f"mean return of the first {minutes} min" for minutes in _MINUTES]
    titles += [f"time to 90 % of {systems[name].name}" for name in rivals]
    rows = [titles, ["---"] * len(titles)]
    for task in tasks:
        levels = {name: _SHARE * _mean_return(curves, task, name, steps) for name in rivals}
        for name, system in systems.items():
            of_it = _of(curves, task, name)
            if not of_it:
                continue
            row = [task, system.name, str(len(of_it))]
            level = _mean_return(curves, task, name, steps)
            row += ["", ""] if math.isnan(level) else [f"{level:,.0f}", _minutes(of_it, steps)]
            ends = [each.evaluations[-1] for each in of_it]
            row.append(f"{fmean(end.steps for end in ends):,.0f}")
            row.append(f"{fmean(end.seconds for end in ends) / 60:.1f}")
            row.append(f"{fmean(each.return_at(math.inf) for each in of_it):,.0f}")
            for minutes in _MINUTES:
                # A run that has come to its end keeps its return; what one that was stopped earlier
                # would have, nobody knows.
                is_known = all(
                    end.seconds >= 60.0 * minutes or end.steps >= system.steps(steps)
                    for end in ends
                )
                mean = fmean(each.mean_until(60.0 * minutes) for each in of_it)
                row.append(f"{mean:,.0f}" if is_known else "")
            row += [_time(of_it, levels[rival]) for rival in rivals]
            rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _of(curves: Curves, task: str, name: str) -> list[Curve]:
    return [each for (of, whose, _), each in curves.items() if (of, whose) == (task, name)]


def _mean_return(curves: Curves, task: str, name: str, steps: int) -> float:
    """NaN if there is no run, or one that did not come to these steps."""
    of_it = _of(curves, task, name)
    if not of_it or any(each.evaluations[-1].steps < steps for each in of_it):
        return math.nan
    return fmean(each.return_at(steps) for each in of_it)


def _minutes(of_it: Sequence[Curve], steps: int) -> str:
    return f"{fmean(each.seconds_at(steps) for each in of_it) / 60:.1f}"


def _time(of_it: Sequence[Curve], level: float) -> str:
    if math.isnan(level):
        return ""
    seconds = [each.seconds_to(level) for each in of_it]
    if math.inf not in seconds:
        return numbers.duration(fmean(seconds))
    failed = [each for each, s in zip(of_it, seconds, strict=True) if math.isinf(s)]
    return f"not in {numbers.duration(min(each.evaluations[-1].seconds for each in failed))}"


def _draw(curves: Curves, systems: Mapping[str, System], path: Path) -> None:
    """A row of panels for each task: the return over minutes, and over steps."""
    from matplotlib import pyplot as plt

    tasks = list(dict.fromkeys(task for task, _, _ in curves))
    figure, grid = plt.subplots(
        len(tasks), 2, figsize=(9.5, 3.4 * len(tasks)), layout="constrained", squeeze=False
    )
    for (over_time, over_steps), task in zip(grid, tasks, strict=True):
        for (name, system), colour in zip(systems.items(), _COLOURS, strict=False):
            for index, each in enumerate(_of(curves, task, name)):
                label = system.name if index == 0 else None
                style: dict[str, Any] = {"color": colour, "label": label, "linewidth": 1.5}
                returns = [evaluation.mean_return for evaluation in each.evaluations]
                minutes = [evaluation.seconds / 60 for evaluation in each.evaluations]
                steps = [evaluation.steps / 1000 for evaluation in each.evaluations]
                over_time.plot(minutes, returns, **style)
                over_steps.plot(steps, returns, **style)
        over_time.set_xlabel("minutes")
        over_steps.set_xlabel("environment steps, in thousands")
        for axes in (over_time, over_steps):
            axes.set_title(task, fontsize=10)
            axes.set_ylabel("return, without sampling")
            axes.xaxis.set_major_formatter("{x:,g}")
            axes.grid(alpha=0.3)
        over_steps.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)
