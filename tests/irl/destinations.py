"""Destinations from a part of the route: python -m tests.irl.destinations [--out=FILE.png].

It prints a table like the paper's Figure 5, and draws it. Fixed before any number was seen: 12 × 12
junctions; 5 destinations, as in the paper, with the prior probabilities 0.35, 0.25, 0.2, 0.12 and
0.08; 200 routes to learn weights (λ = 0.01) and the prior from, 200 to infer the destinations of; a
route has 10 turns at least. Drivers of two kinds: those of the model itself, and those with tastes
of their own, each of whom takes what is the best route to them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from quinoa.irl import maps, optimizers
from quinoa.irl.inference import Destinations
from tests.irl.demonstrators import Drivers, world

SEEDS = range(5)
PRIOR = np.array([0.35, 0.25, 0.2, 0.12, 0.08])
SHARES = tuple(index / 10 for index in range(10))
_T = 2.776  # Student's t: 95 % of five seeds.


class Size(NamedTuple):
    """How much is driven, by whom, and whether weights are learned."""

    drivers: Drivers
    side: int = 12
    shortest: int = 10
    counts: tuple[int, int] = (200, 200)
    learns: bool = True


FULL = (Size(Drivers("paths", 1.0)), Size(Drivers("tastes", 0.5)))
# With the true weights, as learning takes most of the time.
SMALL = Size(Drivers("paths", 1.0), 7, 5, (40, 25), learns=False)


class Row(NamedTuple):
    """After a share of the route was seen: of the true destination, the means over routes."""

    seen: float
    log_probability: float
    accuracy: float
    prior_log_probability: float
    prior_accuracy: float


def evaluate(seed: int, size: Size) -> list[Row]:
    """Infers destinations of held-out routes on a network of its own, after each share of them."""
    found = world(
        seed,
        size.drivers,
        side=size.side,
        num_destinations=len(PRIOR),
        shortest=size.shortest,
        counts=size.counts,
        prior=PRIOR,
    )
    train, test = found.routes
    theta = size.drivers.theta
    if size.learns:
        theta = optimizers.lbfgs(train, regularization=0.01, tolerance=1e-3).theta
    # One more of each: where nobody went may be where somebody goes.
    ends = Counter(int(found.network.graph.edge_target[route[-1]]) for route in train.routes)
    prior = {int(end): 1.0 + ends[int(end)] for end in found.destinations}
    where = Destinations(found.network.graph, theta, prior)
    rows: dict[float, list[tuple[float, ...]]] = {share: [] for share in SHARES}
    for route in test.routes:
        states = found.network.graph.states(route)
        true = int(np.flatnonzero(where.states == states[-1])[0])
        guess = float(np.argmax(where.prior) == true)
        posteriors = where.posteriors(states[:-1])
        for share in SHARES:
            # What was driven of so many turns, in whole ones.
            seen = posteriors[int(share * len(route))]
            rows[share].append(
                (
                    float(np.log(seen[true])),
                    float(np.argmax(seen) == true),
                    float(np.log(where.prior[true])),
                    guess,
                )
            )
    return [Row(share, *np.mean(each, axis=0)) for share, each in rows.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--out", type=Path, help="a picture of the curves")
    out = parser.parse_args().out
    found = {size.drivers.name: [evaluate(seed, size) for seed in SEEDS] for size in FULL}
    print("| drivers | seen | log prob − prior's | accuracy, % | accuracy − prior's, % |")
    print("| --- | --- | --- | --- | --- |")
    for name, seeds in found.items():
        for index, share in enumerate(SHARES):
            rows = [of_seed[index] for of_seed in seeds]
            gain = [row.log_probability - row.prior_log_probability for row in rows]
            right = [100 * row.accuracy for row in rows]
            better = [100 * (row.accuracy - row.prior_accuracy) for row in rows]
            cells = " | ".join(_interval(values) for values in (gain, right, better))
            print(f"| {name} | {share:.0%} | {cells} |")
    if out is not None:
        _draw(found, out)


def _interval(values: list[float]) -> str:
    return f"{np.mean(values):.2f} ± {_T * np.std(values, ddof=1) / np.sqrt(len(values)):.2f}"


def _draw(found: dict[str, list[list[Row]]], out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes: Any = figure.subplots(1, 2)
    for number, (name, seeds) in enumerate(found.items()):
        table = np.array(seeds)  # [seeds, shares, columns of Row]
        for panel, column, prior in ((axes[0], 2, 4), (axes[1], 1, 3)):
            maps.draw_curves(panel, table[0, :, 0], table[:, :, column], name, number)
            maps.draw_curves(panel, table[0, :, 0], table[:, :, prior], f"{name}: prior", number)
    for panel, label in zip(axes, ("accuracy", "log P(true destination)"), strict=True):
        panel.set_xlabel("share of the route seen")
        panel.set_ylabel(label)
    axes[1].legend(fontsize="small")
    figure.savefig(out, dpi=100)


if __name__ == "__main__":
    main()
