"""Table 1 on generated networks: python -m tests.irl.table1 [DRIVERS ...] prints it.

With --results=FILE each seed's numbers are kept in FILE as soon as they are known, a line each, and
those that are there already are not computed again, so that the command continues where it was
stopped. Begin a new file after a change of the code.

What was fixed before any number of the table was seen, and why:

- Networks of 9 × 9 junctions, the smallest with all six types of roads; 6 destinations; of each
  pair of an origin and a destination the best route has 8 turns at least.
- 150 routes to learn from, 100 to choose λ by, 400 to test: the paper learns from a fifth of its
  routes. With 400, the standard error of a share is below 2.5 points.
- Every model but the time-based one has the penalty λ/2 ‖θ‖². λ is 10⁻⁴, 10⁻³ or 10⁻²: the one
  with the best shared distance on validation routes for both measures of routes, and the one with
  the best log probability for that.
- Every fit begins at `starting_weights`. Maximum entropy has L-BFGS to a gradient of 10⁻³. The
  action-based model has 100 passes over all routes: on seed 100, which is not in the table, twice
  as many raised its log-likelihood by less than 0.2 %. Max margin plans 20 routes 150 times, which
  is 20 passes; there, 250 times were within 2 % of 1000 times.
- Drivers of six kinds on seeds 0 to 4. A difference is that of the same seed. Costs lower than
  those of `preferences` were left out: with half of them, Z diverged on 12 × 12 junctions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from quinoa.irl import baselines, optimizers, route_measures
from quinoa.irl.action_based import ActionBased
from quinoa.irl.best_paths import BestPaths, best_paths, best_route
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_graph import Array
from quinoa.irl.route_measures import Measures
from tests.irl.demonstrators import Drivers, World, world

SEEDS = range(5)
DRIVERS = [
    *(Drivers(kind, size) for kind in ("paths", "actions") for size in (1.0, 2.0)),
    *(Drivers(kind, 0.5) for kind in ("misjudged", "tastes")),
]
MAX_ENT = "MaxEnt paths"
_PENALTIES = (1e-2, 1e-3, 1e-4)
_STEPS = {"margin": 150, "action": 100}
_COLUMNS = (("matching, %", 100.0), ("90 % match, %", 100.0), ("log prob", 1.0))
_T = 2.776  # Student's t: 95 % of five seeds.


class Size(NamedTuple):
    """How much is driven, and how long is learned."""

    side: int = 9
    destinations: int = 6
    shortest: int = 8
    counts: tuple[int, int, int] = (150, 100, 400)
    penalties: Sequence[float] = _PENALTIES
    steps: Mapping[str, int] = _STEPS


FULL = Size()
# Of weights, what measures routes with them.
Model = Callable[[Demonstrations, Array], Measures]


def compare(seed: int, drivers: Drivers, size: Size = FULL) -> dict[str, Measures]:
    """The measures of each model on held-out routes of a network of its own."""
    found = world(
        seed,
        drivers,
        side=size.side,
        num_destinations=size.destinations,
        shortest=size.shortest,
        counts=size.counts,
    )
    train, validation, test = found.routes
    miles, graph = found.miles, found.network.graph
    start = optimizers.starting_weights(graph)
    fits: dict[str, list[Array]] = {"margin": [], "action": [], "entropy": []}
    for penalty in size.penalties:
        fits["margin"].append(
            baselines.max_margin_planning(
                train, miles, start, regularization=penalty, num_steps=size.steps["margin"]
            )
        )
        fits["action"].append(
            baselines.fit_action_based(
                train, start, regularization=penalty, num_steps=size.steps["action"]
            )
        )
        begin = fits["entropy"][-1] if fits["entropy"] else start
        fit = optimizers.lbfgs(train, begin, regularization=penalty, tolerance=1e-3)
        fits["entropy"].append(fit.theta)
    costs, by_action, by_paths = _models(found)
    hours = found.network.hours()[graph.edge_source]
    return {
        "time-based": route_measures.measure(test, miles, route_measures.by_costs(graph, -hours)),
        "max margin": _chosen(costs, fits["margin"], validation, test),
        "action": _chosen(by_action, fits["action"], validation, test),
        "action (costs)": _chosen(costs, fits["action"], validation, test),
        MAX_ENT: _chosen(by_paths, fits["entropy"], validation, test),
        # How well anyone can do who knows the weights, but not what a driver's noise is.
        "true weights": (by_action if drivers.kind == "actions" else by_paths)(test, drivers.theta),
    }


def _models(found: World) -> tuple[Model, Model, Model]:
    """By costs alone, by the action-based model, and by maximum entropy."""
    graph, miles = found.network.graph, found.miles
    by_costs, measure = route_measures.by_costs, route_measures.measure

    def costs(routes: Demonstrations, theta: Array) -> Measures:
        return measure(routes, miles, by_costs(graph, graph.rewards(theta)))

    def actions(routes: Demonstrations, theta: Array) -> Measures:
        model = route_measures.action_based_models(graph, theta)
        paths: dict[int, BestPaths] = {}

        def likeliest(route: Array) -> Array:
            end = int(graph.edge_target[route[-1]])
            if end not in paths:
                paths[end] = best_paths(graph, model(route).edge_log_probability, end)
            return best_route(graph, paths[end], int(graph.edge_source[route[0]]))

        return measure(
            routes,
            miles,
            likeliest,
            lambda route: model(route).log_probability(route),
        )

    def paths(routes: Demonstrations, theta: Array) -> Measures:
        probability = route_measures.max_ent_log_probability(graph, theta)
        return measure(routes, miles, by_costs(graph, graph.rewards(theta)), probability)

    return costs, actions, paths


def _chosen(
    model: Model, fits: Sequence[Array], validation: Demonstrations, test: Demonstrations
) -> Measures:
    """Measures on test routes, of the fit that is best on validation routes."""
    tried = [model(validation, theta) for theta in fits]
    routes = model(test, fits[int(np.argmax([each.shared for each in tried]))])
    if tried[0].log_probability is None:
        return routes
    likeliest = int(np.argmax([float(each.log_probability or 0.0) for each in tried]))
    probability = model(test, fits[likeliest]).log_probability
    return Measures(routes.shared, routes.matched, probability)


def divergences(seed: int, scale: float, size: Size = FULL) -> tuple[float, float]:
    """How far Eq. 5 and Eq. 7 are apart with the same weights.

    The means over origins and destinations of KL(Eq. 5 ‖ Eq. 7) and of KL(Eq. 7 ‖ Eq. 5), between
    distributions over routes: what a model loses in log probability where the other one is right.
    """
    drivers = Drivers("paths", scale)
    found = world(
        seed,
        drivers,
        side=size.side,
        num_destinations=size.destinations,
        shortest=size.shortest,
        counts=(),
    )
    graph = found.network.graph
    lost = np.zeros(2)
    for end in found.destinations:
        start = np.full(graph.num_states, 1 / (graph.num_states - 1))
        start[end] = 0.0
        paths = PathDistribution(graph, drivers.theta, int(end))
        actions = ActionBased(graph, drivers.theta, int(end))
        possible = np.isfinite(paths.edge_log_probability)
        gap = paths.edge_log_probability[possible] - actions.edge_log_probability[possible]
        lost[0] += paths.edge_visits(start)[possible] @ gap
        # Visits of the other model: a distribution whose edges have these probabilities.
        visits = _visits(found, actions, start)[possible]
        lost[1] -= visits @ gap
    return float(lost[0] / len(found.destinations)), float(lost[1] / len(found.destinations))


def _visits(found: World, actions: ActionBased, start: Array) -> Array:
    """Expected visits of each edge under the action-based model, float64 [E]."""
    graph = found.network.graph
    chances = np.exp(actions.edge_log_probability)
    matrix = np.zeros((graph.num_states, graph.num_states))
    matrix[graph.edge_target, graph.edge_source] = chances
    states = np.linalg.solve(np.eye(graph.num_states) - matrix, start)
    return states[graph.edge_source] * chances


class Kept:
    """Numbers that are known already, in a file of lines of JSON.

    Attributes:
        path: of the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self._known = dict(json.loads(line) for line in lines)

    def found(self, name: str, compute: Callable[[], object]) -> object:
        """What has this name, computed if it is not there; it can be written as JSON."""
        if name not in self._known:
            self._known[name] = json.loads(json.dumps(compute()))
            line = json.dumps([name, self._known[name]])
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(f"{line}\n")
            print(line, file=sys.stderr, flush=True)
        return self._known[name]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.irl.table1")
    parser.add_argument("drivers", nargs="*")
    parser.add_argument("--results", type=Path, help="keeps what is known, to be continued")
    given = parser.parse_args(arguments)
    if unknown := set(given.drivers) - {each.name for each in DRIVERS}:
        parser.error(f"there are no drivers {unknown.pop()!r}")
    kept = Kept(given.results)
    divergent = [] if given.drivers else _divergence_rows(kept)
    chosen = [each for each in DRIVERS if not given.drivers or each.name in given.drivers]
    found = {each.name: [_compared(kept, seed, each) for seed in SEEDS] for each in chosen}
    heading = " | ".join(found)
    rule = " | ".join(["---"] * (len(found) + 1))
    for index, (measure, unit) in enumerate(_COLUMNS):
        print(f"\n{measure}: differences from {MAX_ENT}\n")
        print(f"| model | {heading} |\n| {rule} |")
        models = list(next(iter(found.values()))[0])
        for model in sorted(models, key=lambda name: name != MAX_ENT):
            cells = []
            for of_seeds in found.values():
                if of_seeds[0][model][index] is None:
                    cells.append("–")
                    continue
                numbers = unit * _values(of_seeds, model, index)
                if model != MAX_ENT:
                    numbers -= unit * _values(of_seeds, MAX_ENT, index)
                width = _T * numbers.std(ddof=1) / np.sqrt(len(numbers))
                text = f"{numbers.mean():.2f}" if model == MAX_ENT else f"{numbers.mean():+.2f}"
                clear = model != MAX_ENT and abs(numbers.mean()) > width
                cells.append(f"**{text} ± {width:.2f}**" if clear else f"{text} ± {width:.2f}")
            print(f"| {model} | {' | '.join(cells)} |")
    print("\n".join(divergent))


def _compared(kept: Kept, seed: int, drivers: Drivers) -> dict[str, Measures]:
    of_models = kept.found(f"{drivers.name}, seed {seed}", lambda: compare(seed, drivers))
    assert isinstance(of_models, dict)
    return {model: Measures(*values) for model, values in of_models.items()}


def _values(of_seeds: Sequence[dict[str, Measures]], model: str, index: int) -> Array:
    """A measure of a model, float64 [seeds]."""
    return np.array([of_seed[model][index] for of_seed in of_seeds], dtype=np.float64)


def _divergence_rows(kept: Kept) -> list[str]:
    rows = ["", "| costs times | KL(Eq. 5, Eq. 7) | KL(Eq. 7, Eq. 5) |", "| --- | --- | --- |"]
    for scale in (1.0, 2.0, 4.0, 8.0):
        lost = np.mean([_divergences(kept, seed, scale) for seed in SEEDS], axis=0)
        rows.append(f"| {scale:g} | {lost[0]:.3f} | {lost[1]:.3f} |")
    return rows


def _divergences(kept: Kept, seed: int, scale: float) -> Array:
    name = f"divergences with costs times {scale:g}, seed {seed}"
    return np.array(kept.found(name, lambda: divergences(seed, scale)), dtype=np.float64)


if __name__ == "__main__":
    main(sys.argv[1:])
