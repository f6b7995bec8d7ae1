"""Reward weights that maximise the likelihood of demonstrations: L-BFGS, exponentiated gradient.

The log-likelihood is concave where the partition function converges, and −∞ elsewhere. Both
optimisers start inside that set and stay there.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import optimize

from quinoa.irl.demonstrations import Demonstrations, Objective
from quinoa.irl.route_graph import Array, DivergenceError, RouteGraph, RouteGraphError


@dataclasses.dataclass(frozen=True)
class Fit:
    """What an optimiser has found.

    Attributes:
        theta: float64 [K].
        log_likelihood: the mean over the demonstrations, without the regularisation.
        feature_error: the largest difference of an expected feature count from the demonstrations'.
        num_gradients: how many gradients were computed.
        converged: whether the largest element of the gradient, that of the regularisation included,
            is at most the tolerance.
    """

    theta: Array
    log_likelihood: float
    feature_error: float
    num_gradients: int
    converged: bool


def starting_weights(graph: RouteGraph) -> Array:
    """Weights with which the partition function converges, all of them the same: float64 [K].

    With them each action costs more than the logarithm of how many edges leave a state, at most. So
    the weights of the edges that leave a state sum to less than 1, and so does no cycle diverge.

    Raises:
        RouteGraphError: the features of some action do not sum to more than 0.
    """
    sums = graph.features.sum(axis=1)
    if not np.all(sums > 0):
        raise RouteGraphError(
            f"The features of action {np.argmin(sums)} do not sum to more than 0, so no weights to "
            "start from follow from them: give theta, with a positive cost for each cycle."
        )
    branching = np.diff(graph.by_source.starts).max()
    return np.full(graph.num_features, -(np.log(branching) + 0.1) / sums.min())


def lbfgs(
    demonstrations: Demonstrations,
    theta: Array | None = None,
    *,
    regularization: float = 0.0,
    tolerance: float = 1e-7,
    max_gradients: int = 1000,
) -> Fit:
    """L-BFGS (Nocedal & Wright, 2006, chapter 7), as SciPy has it.

    Args:
        demonstrations: the routes.
        theta: float64 [K], where to start; `starting_weights` if None.
        regularization: λ; λ/2 ‖θ‖² is subtracted from the mean log-likelihood. Without it there may
            be no maximum: if every demonstration is the best route, larger costs are always better.
        tolerance: see `Fit`.
        max_gradients: the most gradients to compute, about.

    Raises:
        DivergenceError: the partition function diverges at `theta`.
    """
    start = starting_weights(demonstrations.graph) if theta is None else np.array(theta, float)
    search = _Search(demonstrations, regularization, start)
    optimize.minimize(
        search.negative,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 0.0, "gtol": tolerance, "maxfun": max_gradients, "maxiter": max_gradients},
    )
    return search.fit(tolerance)


def exponentiated_gradient(
    demonstrations: Demonstrations,
    theta: Array | None = None,
    *,
    learning_rate: float = 0.1,
    batch_size: int | None = None,
    num_steps: int = 200,
    tolerance: float = 1e-7,
    rng: np.random.Generator | None = None,
) -> Fit:
    """Online exponentiated gradient descent (Kivinen & Warmuth, 1997), which the paper uses.

    A cost is multiplied by exp(η g), with g the cost's derivative, and so keeps its sign: costs
    remain costs, those that matter little become small, and a weight of 0 stays 0. Where a step
    leaves the set in which the partition function converges, half of it is taken, and so on.

    Args:
        demonstrations: the routes.
        theta: float64 [K], where to start; `starting_weights` if None. Its signs are kept.
        learning_rate: η, divided by the square root of the step's number if there are batches.
        batch_size: routes in one step, drawn without replacement; all of them if None.
        num_steps: the most steps.
        tolerance: see `Fit`; with it steps on all routes end.
        rng: draws the batches.

    Raises:
        DivergenceError: the partition function diverges at `theta`.
    """
    start = starting_weights(demonstrations.graph) if theta is None else np.array(theta, float)
    signs, size = np.sign(start), np.abs(start)
    count = len(demonstrations.routes)
    if batch_size is not None and not 1 <= batch_size <= count:
        raise RouteGraphError(f"batch_size must be from 1 to {count}, the number of routes.")
    rng = np.random.default_rng(0) if rng is None else rng
    num_gradients, moved = 0, np.zeros_like(size)
    for step in range(1, num_steps + 1):
        batch, rate = demonstrations, learning_rate
        if batch_size is not None:
            batch = demonstrations.subset(rng.choice(count, batch_size, replace=False))
            rate /= np.sqrt(step)
        objective, size, tried = _inside(batch, signs, size, moved)
        num_gradients += tried
        if batch_size is None and np.max(np.abs(objective.gradient)) <= tolerance:
            break
        moved = rate * signs * objective.gradient
        size = size * np.exp(moved)
    objective, size, tried = _inside(demonstrations, signs, size, moved)
    return _fit(signs * size, objective, objective.gradient, num_gradients + tried, tolerance)


def _inside(
    demonstrations: Demonstrations, signs: Array, size: Array, moved: Array
) -> tuple[Objective, Array, int]:
    """The objective where the last step has led, or half of it; the weights, and how many tries."""
    for tries in range(1, 61):
        try:
            return demonstrations.objective(signs * size), size, tries
        except DivergenceError:
            if not moved.any() or tries == 60:
                raise
            moved = moved / 2
            size = size * np.exp(-moved)
    raise AssertionError("The last try returns or raises.")


class _Search:
    """The negative objective as SciPy minimises it, and the best weights so far."""

    def __init__(self, demonstrations: Demonstrations, regularization: float, start: Array) -> None:
        self._demonstrations = demonstrations
        self._regularization = regularization
        self._num_gradients = 0
        self._best = self._evaluate(start)

    def negative(self, theta: Array) -> tuple[float, Array]:
        """−L and its gradient.

        Outside the set where L is finite, it gives what has the line search take a smaller step:
        a value above that of the best weights by as much as the slope there promised to gain, and
        the opposite slope. Infinities would have its interpolation give NaN.
        """
        best, value, gradient, _ = self._best
        try:
            found = self._evaluate(theta)
        except DivergenceError:
            return value + abs(float(gradient @ (theta - best))), -gradient
        if found[1] <= value:
            self._best = found
        return found[1], found[2]

    def fit(self, tolerance: float) -> Fit:
        """The best weights."""
        theta, _, gradient, objective = self._best
        return _fit(theta, objective, gradient, self._num_gradients, tolerance)

    def _evaluate(self, theta: Array) -> tuple[Array, float, Array, Objective]:
        self._num_gradients += 1
        objective = self._demonstrations.objective(theta)
        penalty = 0.5 * self._regularization * float(theta @ theta)
        gradient = self._regularization * theta - objective.gradient
        return np.array(theta), penalty - objective.log_likelihood, gradient, objective


def _fit(
    theta: Array, objective: Objective, gradient: Array, num_gradients: int, tolerance: float
) -> Fit:
    return Fit(
        theta,
        objective.log_likelihood,
        float(np.max(np.abs(objective.gradient))),
        num_gradients,
        bool(np.max(np.abs(gradient)) <= tolerance),
    )
