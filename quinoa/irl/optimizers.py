"""Reward weights that maximise the likelihood of demonstrations: L-BFGS, exponentiated gradient."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

import numpy as np

from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.exponentiated_gradient import ExponentiatedGradient, StepSizes
from quinoa.irl.gradient_steps import Evaluated, Optimizer, gradient_step
from quinoa.irl.lbfgs import LBFGS
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
    """See `LBFGS`.

    Args:
        demonstrations: the routes.
        theta: float64 [K], where to start; `starting_weights` if None.
        regularization: λ; λ/2 ‖θ‖² is subtracted from the mean log-likelihood. Without it there may
            be no maximum: if every demonstration is the best route, larger costs are always better.
        tolerance: see `Fit`.
        max_gradients: the most gradients to compute.

    Raises:
        DivergenceError: the partition function diverges at `theta`.
    """
    start = starting_weights(demonstrations.graph) if theta is None else np.array(theta, float)
    num_gradients = 0
    optimizer = LBFGS(start, regularization=regularization, tolerance=tolerance)
    with contextlib.closing(optimizer):
        while num_gradients < max_gradients and not optimizer.is_over:
            gradient_step(optimizer, demonstrations)
            num_gradients += 1
    assert optimizer.best is not None
    return _fit(optimizer.best, optimizer, num_gradients)


def exponentiated_gradient(
    demonstrations: Demonstrations,
    theta: Array | None = None,
    *,
    learning_rate: float = 0.1,
    batch_size: int | None = None,
    num_steps: int = 200,
    regularization: float = 0.0,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> Fit:
    """See `ExponentiatedGradient`.

    Args:
        demonstrations: the routes.
        theta: float64 [K], where to start; `starting_weights` if None. Its signs are kept.
        learning_rate: see `StepSizes`.
        batch_size: likewise.
        num_steps: the most steps.
        regularization: see `lbfgs`.
        tolerance: see `Fit`; with it steps on all routes end.
        seed: see `StepSizes`.

    Raises:
        DivergenceError: the partition function of a destination diverges at `theta`.
        RouteGraphError: the learning rate is not above 0, or a batch is larger than all routes.
    """
    start = starting_weights(demonstrations.graph) if theta is None else np.array(theta, float)
    optimizer = ExponentiatedGradient(
        start,
        StepSizes(learning_rate, batch_size, len(demonstrations.routes), seed),
        regularization=regularization,
        tolerance=tolerance,
    )
    num_gradients = 0
    if batch_size is not None and theta is not None:
        # The first batch would check it for its own destinations alone.
        demonstrations.objective(start)
        num_gradients += 1
    while optimizer.step <= num_steps and not optimizer.is_over:
        gradient_step(optimizer, demonstrations)
        num_gradients += 1
    if batch_size is None:
        assert optimizer.best is not None
        return _fit(optimizer.best, optimizer, num_gradients)
    found, more = reached_by_batches(optimizer, demonstrations)
    return _fit(found, optimizer, num_gradients + more)


def reached_by_batches(
    optimizer: ExponentiatedGradient,
    demonstrations: Demonstrations,
    *,
    before_each: Callable[[], object] = lambda: None,
) -> tuple[Evaluated, int]:
    """The weights that steps on batches have led to, moved to where all routes converge.

    The optimiser stays as it is.

    Args:
        optimizer: one with batches.
        demonstrations: all routes that it learns from.
        before_each: called before each destination's backward pass; it may raise to end this.

    Returns:
        The weights with the objective of all routes, and how many gradients were computed.

    Raises:
        DivergenceError: the partition function of a destination diverges at the start already.
    """
    theta = optimizer.reached
    num_gradients = 0
    while True:
        num_gradients += 1
        try:
            objective = demonstrations.objective(theta, before_each=before_each)
        except DivergenceError:
            theta = optimizer.shortened(theta, num_gradients)
            continue
        return Evaluated(theta, objective), num_gradients


def _fit(found: Evaluated, optimizer: Optimizer, num_gradients: int) -> Fit:
    slope = found.objective.gradient - optimizer.regularization * found.theta
    return Fit(
        found.theta,
        found.objective.log_likelihood,
        float(np.max(np.abs(found.objective.gradient))),
        num_gradients,
        bool(np.max(np.abs(slope)) <= optimizer.tolerance),
    )
