"""What `cluster_scaling` has measured, as a table to read, as CSV and as a picture."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

# Below so much of the ideal rate, a run with more actors is said to bend.
BEND = 0.9


@dataclasses.dataclass(frozen=True)
class Level:
    """A run with one number of actors.

    Attributes:
        actors: their number.
        ideal_steps_s: environment steps a second, were nothing but the environments to take time.
        steps_s: environment steps a second.
        learner_steps_s: gradient steps a second.
        parameter_age: the mean age of what actors acted with, in gradient steps.
        parameter_age_s: the same in seconds.
        rows_s: rows of metrics that the counter has written a second; an actor sends one after a
            turn, at most one a second.
        sent_kb_s: kB/s from the learner's host to the others.
        cores: processor seconds a second, by kinds of processes.
        actor_mb: MB that an actor has of its own.
        available_mb: MB that the machine has left.
        num_failures: processes that failed meanwhile.
    """

    actors: int
    ideal_steps_s: float
    steps_s: float
    learner_steps_s: float
    parameter_age: float
    parameter_age_s: float
    rows_s: float
    sent_kb_s: float
    cores: Mapping[str, float]
    actor_mb: float
    available_mb: float
    num_failures: int

    @property
    def share(self) -> float:
        """Of the ideal rate."""
        return self.steps_s / self.ideal_steps_s

    def row(self) -> dict[str, float | int]:
        """All of it, by the names of columns."""
        fields = dataclasses.asdict(self)
        cores = fields.pop("cores")
        return {
            **fields,
            "share": self.share,
            **{f"cores_{kind}": value for kind, value in cores.items()},
            "cores": sum(cores.values()),
        }


def why_no_more(last: Level, num_actors: int, *, reserve_mb: float) -> str | None:
    """Why more actors would not fit into this machine's memory, in a sentence; None if they do.

    Args:
        last: the last measurement.
        num_actors: how many there would be.
        reserve_mb: what must be left.
    """
    needed = (num_actors - last.actors) * last.actor_mb
    if needed <= last.available_mb - reserve_mb:
        return None
    return (
        f"{num_actors - last.actors} more of {last.actor_mb:.0f} MB take {needed / 1e3:.1f} GB of "
        f"memory, and {last.available_mb / 1e3:.1f} GB are left, of which {reserve_mb / 1e3:.1f} "
        "are to stay."
    )


def table(levels: Sequence[Level]) -> str:
    """Makes a Markdown table."""
    kinds = list(levels[0].cores) if levels else []
    head = [
        "actors",
        "steps/s",
        "of the ideal",
        "gradient steps/s",
        "parameters' age: steps, s",
        "rows/s",
        "kB/s from the learner's host",
        f"cores: {', '.join(kinds)}; all",
        "MB of an actor's own",
        "failures",
    ]
    rows = [head, ["---"] * len(head)]
    for level in levels:
        cores = ", ".join(f"{level.cores[kind]:.2f}" for kind in kinds)
        rows.append(
            [
                f"{level.actors}",
                f"{level.steps_s:.1f}",
                f"{level.share:.0%}",
                f"{level.learner_steps_s:.2f}",
                f"{level.parameter_age:.1f}, {level.parameter_age_s:.2f}",
                f"{level.rows_s:.0f}",
                f"{level.sent_kb_s:.0f}",
                f"{cores}; {sum(level.cores.values()):.2f}",
                f"{level.actor_mb:.0f}",
                f"{level.num_failures}",
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def bend(levels: Sequence[Level]) -> str:
    """Says with how many actors the rate falls behind, and what works most then."""
    for level in levels:
        if level.share < BEND:
            kind, cores = max(level.cores.items(), key=lambda item: item[1])
            return (
                f"With {level.actors} actors the rate is {level.share:.0%} of the ideal. All "
                f"processes use {sum(level.cores.values()):.2f} cores, of which {kind} {cores:.2f}."
            )
    return f"The rate is {BEND:.0%} of the ideal or more, up to {levels[-1].actors} actors."


def write(levels: Sequence[Level], folder: Path, described: str) -> None:
    """Writes scaling.md, scaling.csv and scaling.png.

    Args:
        levels: one or more.
        folder: where to; made if it is not there.
        described: how and where they were measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{described}\n\n{table(levels)}\n\n{bend(levels)}\n"
    (folder / "scaling.md").write_text(text, encoding="utf-8")
    with (folder / "scaling.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(levels[0].row()))
        writer.writeheader()
        writer.writerows(level.row() for level in levels)
    _draw(levels, folder / "scaling.png")


def _draw(levels: Sequence[Level], path: Path) -> None:
    """Draws the rate beside the ideal, the parameters' age, and the cores of each kind."""
    from matplotlib import pyplot as plt

    figure, (rate, age, load) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    actors = [level.actors for level in levels]
    ideal = [level.ideal_steps_s for level in levels]
    rate.plot(actors, ideal, color="lightgrey", linewidth=6, label="ideal")
    rate.plot(actors, [level.steps_s for level in levels], "o-", label="measured")
    rate.set(ylabel="environment steps/s", yscale="log")
    rate.legend()
    age.plot(actors, [level.parameter_age_s for level in levels], "o-")
    age.set(ylabel="age of an actor's parameters in s", ylim=(0, None))
    for kind in levels[0].cores:
        load.plot(actors, [level.cores[kind] for level in levels], "o-", label=kind)
    load.plot(
        actors, [sum(level.cores.values()) for level in levels], "--", color="black", label="all"
    )
    load.set(ylabel="processor cores")
    load.legend(fontsize=7)
    for axes in (rate, age, load):
        axes.set(xlabel="actors", xscale="log")
        axes.set_xticks(actors, [str(number) for number in actors])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)
