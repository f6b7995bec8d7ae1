"""Optimisers that are asked for weights and told a gradient, whose state can be saved in between.

The log-likelihood is concave where the partition function converges, and −∞ elsewhere. Both
optimisers start inside that set and stay there: where it diverges, they are told so.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from quinoa.irl.demonstrations import Demonstrations, Objective
from quinoa.irl.route_graph import Array, DivergenceError


class Evaluated(NamedTuple):
    """Weights, and what they are worth.

    Attributes:
        theta: float64 [K].
        objective: of the routes that were asked for: a batch, where there are batches.
    """

    theta: Array
    objective: Objective


class Optimizer(abc.ABC):
    """Maximises the mean log-likelihood less λ/2 ‖θ‖², a gradient at a time.

    Attributes:
        regularization: λ.
        tolerance: it has converged when no element of the gradient, that of the regularisation
            included, is greater.
        best: the best weights so far, or the last ones where there are batches; None before the
            first gradient.
    """

    def __init__(self, regularization: float, tolerance: float) -> None:
        self.regularization = regularization
        self.tolerance = tolerance
        self.best: Evaluated | None = None

    @property
    @abc.abstractmethod
    def theta(self) -> Array:
        """Where the next gradient is wanted, float64 [K]; when it is over, the best weights."""

    @property
    @abc.abstractmethod
    def is_over(self) -> bool:
        """Whether no other gradient is wanted, as it has converged or can get no further."""

    @property
    def batch(self) -> Array | None:
        """The routes that the next gradient is to be of, integer [B]; None for all of them."""
        return None

    @abc.abstractmethod
    def tell(self, objective: Objective | None) -> None:
        """Takes the objective at `theta`; None where the partition function diverges there."""

    @abc.abstractmethod
    def state(self) -> Mapping[str, Array]:
        """What `restore` needs, as arrays of numbers."""

    @abc.abstractmethod
    def restore(self, state: Mapping[str, Array]) -> bool:
        """Takes over the state of an optimiser with the same settings, before the first gradient.

        Returns:
            Whether what follows is what would have followed there, bit for bit.

        Raises:
            KeyError, ValueError: it is no such state.
        """

    @property
    def converged(self) -> bool:
        """Whether the gradient at the best weights is within the tolerance."""
        return self.best is not None and self._is_flat(self.best)

    def _is_flat(self, at: Evaluated) -> bool:
        return bool(np.max(np.abs(self._slope(at))) <= self.tolerance)

    def _slope(self, at: Evaluated) -> Array:
        """The gradient of what is maximised."""
        return at.objective.gradient - self.regularization * at.theta


def gradient_step(
    optimizer: Optimizer,
    routes: Demonstrations,
    *,
    before_each: Callable[[], object] = lambda: None,
) -> Objective | None:
    """Computes the gradient that an optimiser asks for, and tells it.

    Args:
        optimizer: one that is not over.
        routes: the demonstrations.
        before_each: called before each destination's backward pass; it may raise to end this
            early, which leaves the optimiser as it was.

    Returns:
        The objective; None where the partition function diverged, so that the step is shortened.

    Raises:
        DivergenceError: it diverges at the start already, or no step is short enough.
    """
    batch = optimizer.batch
    of = routes if batch is None else routes.subset(batch)
    try:
        objective = of.objective(optimizer.theta, before_each=before_each)
    except DivergenceError:
        if optimizer.best is None:
            raise
        objective = None
    optimizer.tell(objective)
    return objective
