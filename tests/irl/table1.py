"""Table 1 on generated networks: python -m tests.irl.table1 prints it."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from quinoa.irl import optimizers, road_network, route_measures
from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.path_distribution import PathDistribution
from quinoa.irl.route_measures import Measures

MODELS = ("time-based", "max margin", "action", "action (costs)", "MaxEnt paths")


class Setting(NamedTuple):
    """What the drivers' costs are multiplied by, how they misjudge them, and steps to learn by."""

    costs: float
    noise: float
    margin_steps: int
    action_steps: int


LOW_COSTS, HIGH_COSTS = Setting(0.5, 0.5, 40, 60), Setting(1.5, 0.3, 30, 50)
SETTINGS = (LOW_COSTS, HIGH_COSTS)


def compare(seed: int, kind: str, setting: Setting, count: int = 120) -> dict[str, Measures]:
    """The measures of each model on a network of its own: half of the routes are held out."""
    rng = np.random.default_rng(seed)
    network = road_network.generate(rng, 7, 7)
    graph, theta = network.graph, setting.costs * road_network.preferences()
    ends = rng.choice(graph.num_states, 6, replace=False)
    paths = {int(end): PathDistribution(graph, theta, int(end)) for end in ends}
    routes: list[np.ndarray] = []
    while len(routes) < count:
        origin, end = int(rng.integers(graph.num_states)), int(rng.choice(ends))
        if origin == end:
            continue
        if kind == "sampled":
            route = paths[end].sample(rng, origin)
        else:
            route = road_network.noisy_route(rng, network, theta, origin, end, setting.noise)
        if len(route) >= 5:
            routes.append(route)
    train, test = Demonstrations(graph, routes[::2]), Demonstrations(graph, routes[1::2])
    miles = network.miles[graph.edge_source]
    start = optimizers.starting_weights(graph)
    margin = route_measures.max_margin_planning(train, miles, start, num_steps=setting.margin_steps)
    action = route_measures.fit_action_based(train, start, num_steps=setting.action_steps)
    model = route_measures.action_based_models(graph, action)
    fit = optimizers.lbfgs(train, regularization=0.01, tolerance=1e-4)
    measure, by_costs = route_measures.measure, route_measures.by_costs
    return {
        "time-based": measure(test, miles, by_costs(graph, -network.hours()[graph.edge_source])),
        "max margin": measure(test, miles, by_costs(graph, graph.rewards(margin))),
        "action": measure(
            test,
            miles,
            lambda route: model(route).most_likely_route(int(graph.edge_source[route[0]])),
            lambda route: model(route).log_probability(route),
        ),
        "action (costs)": measure(test, miles, by_costs(graph, graph.rewards(action))),
        "MaxEnt paths": measure(
            test,
            miles,
            by_costs(graph, graph.rewards(fit.theta)),
            route_measures.max_ent_log_probability(graph, fit.theta),
        ),
    }


def main() -> None:
    for setting, kind in itertools.product(SETTINGS, ("sampled", "misjudged costs")):
        found = [compare(seed, kind, setting) for seed in range(5)]
        print(
            f"\n{kind}\n\n| model | matching | 90 % match | log prob |\n| --- | --- | --- | --- |"
        )
        for name in MODELS:
            cells = []
            for index, scale in ((0, 100), (1, 100), (2, 1)):
                values = [each[name][index] for each in found]
                if values[0] is None:
                    cells.append("–")
                    continue
                numbers = [scale * float(value) for value in values if value is not None]
                width = route_measures.half_width(numbers)
                cells.append(f"{np.mean(numbers):.2f} ± {width:.2f}")
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
