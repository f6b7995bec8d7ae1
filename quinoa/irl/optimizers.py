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

_MOST_HALVINGS = 60  # Of a step: what is left of it is less than a rounding error.


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
    remain costs, those that matter little become small, and a weight of 0 stays 0.

    A step is shortened to half, and so on, if it leaves the set where the partition function
    converges, or passes the maximum on its way: there the new gradient points back. So the
    log-likelihood of the routes that a step is taken on never falls, at any learning rate. Later
    steps begin with the shortened rate, which grows by a tenth with each that is not shortened.

    Args:
        demonstrations: the routes.
        theta: float64 [K], where to start; `starting_weights` if None. Its signs are kept.
        learning_rate: η, divided by the square root of the step's number if there are batches. No
            weight changes by more than a factor of e in one step.
        batch_size: routes in one step, drawn without replacement; all of them if None.
        num_steps: the most steps.
        tolerance: see `Fit`; with it steps on all routes end.
        rng: draws the batches.

    Raises:
        DivergenceError: the partition function diverges at `theta`.
        RouteGraphError: the learning rate is not above 0, or a batch is larger than all routes.
    """
    theta = starting_weights(demonstrations.graph) if theta is None else np.array(theta, float)
    count = len(demonstrations.routes)
    if batch_size is not None and not 1 <= batch_size <= count:
        raise RouteGraphError(f"batch_size must be from 1 to {count}, the number of routes.")
    if not learning_rate > 0:
        raise RouteGraphError(f"learning_rate must be above 0, not {learning_rate}.")
    rng = np.random.default_rng(0) if rng is None else rng
    steps = _ShortenedSteps(theta)
    objective = steps.evaluate(demonstrations)
    for step in range(1, num_steps + 1):
        if batch_size is None:
            if np.max(np.abs(objective.gradient)) <= tolerance:
                break
            objective = steps.take(demonstrations, objective, learning_rate)
        else:
            batch = demonstrations.subset(rng.choice(count, batch_size, replace=False))
            steps.take(batch, steps.evaluate(batch), learning_rate / np.sqrt(step))
    if batch_size is not None:
        objective = steps.evaluate(demonstrations)
    return _fit(steps.theta, objective, objective.gradient, steps.num_gradients, tolerance)


class _ShortenedSteps:
    """Steps of the exponentiated gradient, none too long.

    Attributes:
        theta: float64 [K], where the last step has led.
        num_gradients: how many gradients were computed.
    """

    def __init__(self, theta: Array) -> None:
        self.theta = theta
        self.num_gradients = 0
        self._before = theta
        self._share = 1.0  # Of the learning rate.

    def evaluate(self, demonstrations: Demonstrations) -> Objective:
        """The objective at the weights. The last step, of other routes, is shortened if need be.

        Raises:
            DivergenceError: the partition function diverges before the last step already.
        """
        for _ in range(_MOST_HALVINGS):
            try:
                return self._objective(demonstrations, self.theta)
            except DivergenceError:
                self.theta = np.sign(self.theta) * np.sqrt(self.theta * self._before)
        self.theta = self._before
        return self._objective(demonstrations, self.theta)

    def take(self, demonstrations: Demonstrations, objective: Objective, rate: float) -> Objective:
        """Takes a step that raises the log-likelihood of the given routes.

        Args:
            demonstrations: the routes.
            objective: theirs, at the weights.
            rate: the learning rate.

        Returns:
            Their objective where the step leads.
        """
        for halvings in range(_MOST_HALVINGS):
            moved = rate * self._share * np.sign(self.theta) * objective.gradient
            theta = self.theta * np.exp(np.clip(moved, -1.0, 1.0))
            try:
                found = self._objective(demonstrations, theta)
            except DivergenceError:
                self._share /= 2
                continue
            # L is concave, so it is no lower there than here if its slope still points on. Unlike
            # a comparison of both values, this is exact near the maximum too.
            if found.gradient @ (theta - self.theta) >= 0:
                self._before, self.theta = self.theta, theta
                if halvings == 0:
                    self._share = min(1.0, 1.1 * self._share)
                return found
            self._share /= 2
        return objective

    def _objective(self, demonstrations: Demonstrations, theta: Array) -> Objective:
        self.num_gradients += 1
        return demonstrations.objective(theta)


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
