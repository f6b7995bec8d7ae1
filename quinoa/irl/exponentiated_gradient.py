"""Exponentiated gradient descent, the paper's optimiser, a gradient at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from quinoa.irl.demonstrations import Objective
from quinoa.irl.gradient_steps import Evaluated, Optimizer
from quinoa.irl.route_graph import Array, DivergenceError, RouteGraphError

# Of a step: what is left of it is less than a rounding error.
_MAX_HALVINGS = 60
# Of the way back to the start, the share that is taken first where the weights diverge for another
# batch is 2 to this power. It doubles each time, up to a half.
_FIRST_SHARE = -5


@dataclasses.dataclass(frozen=True)
class StepSizes:
    """The steps of exponentiated gradient.

    Attributes:
        learning_rate: η, divided by the square root of the step's number if there are batches. No
            weight changes by more than a factor of e in one step.
        batch_size: routes in one step, drawn without replacement; None for all of them.
        num_routes: that there are.
        seed: of the batches.

    Raises:
        RouteGraphError: the learning rate is not above 0, or a batch is larger than all routes.
    """

    learning_rate: float
    batch_size: int | None
    num_routes: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks them."""
        if self.batch_size is not None and not 1 <= self.batch_size <= self.num_routes:
            raise RouteGraphError(
                f"batch_size must be from 1 to {self.num_routes}, the number of routes."
            )
        if not self.learning_rate > 0:
            raise RouteGraphError(f"learning_rate must be above 0, not {self.learning_rate}.")


class ExponentiatedGradient(Optimizer):
    """Online exponentiated gradient descent (Kivinen & Warmuth, 1997), which the paper uses.

    A cost is multiplied by exp(η g), with g the cost's derivative, and so keeps its sign: costs
    remain costs, those that matter little become small, and a weight of 0 stays 0.

    A step is shortened to half, and so on, if it leaves the set where the partition function
    converges, or passes the maximum on its way: there the new gradient points back. So what is
    maximised never falls on the routes that a step is taken on, at any learning rate. Later steps
    begin with the shortened rate, which grows by a tenth with each that is not shortened.

    A batch checks a step for its own destinations alone. Where the weights turn out to diverge for
    the next batch, they are moved along the line to the start, which must converge for all routes.
    The weights that converge for a destination are a convex set (Z is a sum of exponentials of θ),
    so a part of the line next to the start converges for all, and no move diverges for a
    destination that the weights converge for.

    Attributes:
        step: the number of the step that the next gradient is for, from 1. One takes a gradient
            where it leads, one for each time that it is shortened, and with batches one before.
    """

    def __init__(
        self,
        start: Array,
        sizes: StepSizes,
        *,
        regularization: float = 0.0,
        tolerance: float = 1e-7,
    ) -> None:
        """Asks for the gradient at `start`, float64 [K], first, whose signs are kept."""
        super().__init__(regularization, tolerance)
        self._sizes = sizes
        # Where it began, and where the last step has led.
        self._start = self._reached = np.array(start, dtype=np.float64)
        # What is known of the routes of this step where it begins.
        self._here: Evaluated | None = None
        self._share = 1.0  # Of the learning rate.
        self._halvings = 0
        self._is_stuck = False
        self.step = 1

    @property
    def theta(self) -> Array:
        """See the base class."""
        if self._here is None or self.is_over:
            return self._reached
        rate = self._sizes.learning_rate * self._share
        if self._sizes.batch_size is not None:
            rate /= np.sqrt(self.step)
        moved = rate * np.sign(self._reached) * self._slope(self._here)
        return self._reached * np.exp(np.clip(moved, -1.0, 1.0))

    @property
    def reached(self) -> Array:
        """Where the last whole step has led, float64 [K]; the start before the first."""
        return self._reached

    @property
    def is_over(self) -> bool:
        """See the base class: it has no end with batches, whose gradients are not 0."""
        return self._sizes.batch_size is None and (self._is_stuck or self.converged)

    @property
    def batch(self) -> Array | None:
        """See the base class."""
        sizes = self._sizes
        if sizes.batch_size is None:
            return None
        rng = np.random.default_rng([sizes.seed, self.step])
        return rng.choice(sizes.num_routes, sizes.batch_size, replace=False)

    def tell(self, objective: Objective | None) -> None:
        """See the base class.

        Raises:
            DivergenceError: the partition function diverges at the start.
        """
        theta = self.theta
        if self._here is None:
            if objective is None:
                self._halvings += 1
                self._reached = self.shortened(self._reached, self._halvings)
                return
            self.best = self._here = Evaluated(theta, objective)
            self._halvings = 0
            return
        # L is concave, so it is no lower there than here if its slope still points on. Unlike a
        # comparison of both values, this is exact near the maximum too.
        if objective is not None:
            found = Evaluated(theta, objective)
            if self._slope(found) @ (theta - self._reached) >= 0:
                if self._halvings == 0:
                    self._share = min(1.0, 1.1 * self._share)
                self._reached, self.best = theta, found
                self._begin_next(found)
                return
        self._share /= 2
        self._halvings += 1
        if self._halvings == _MAX_HALVINGS:
            self._is_stuck = True
            self._begin_next(self._here)

    def _begin_next(self, here: Evaluated) -> None:
        self.step += 1
        self._halvings = 0
        # Another batch has another gradient.
        self._here = here if self._sizes.batch_size is None else None

    def shortened(self, theta: Array, times: int) -> Array:
        """Weights nearer to the start than `theta`, where the partition function diverges.

        Args:
            theta: float64 [K], between the start and other weights.
            times: how often they have been moved, this time included, from 1. The last of 60 times
                leads to the start itself.

        Raises:
            DivergenceError: `theta` is the start.
        """
        if np.array_equal(theta, self._start):
            raise DivergenceError(
                "The partition function diverges with the weights that learning begins with: make "
                "costs higher (theta more negative)."
            )
        if times >= _MAX_HALVINGS:
            return self._start
        share = 2.0 ** min(-1, _FIRST_SHARE + times - 1)
        return theta + share * (self._start - theta)

    def state(self) -> Mapping[str, Array]:
        """See the base class."""
        found = {
            "reached": self._reached,
            "share": np.array(self._share),
            "halvings": np.array(self._halvings),
            "is_stuck": np.array(self._is_stuck),
            "step": np.array(self.step),
        }
        for name, at in (("here", self._here), ("best", self.best)):
            if at is not None:
                found[f"{name}_theta"] = at.theta
                found[f"{name}_log_likelihood"] = np.array(at.objective.log_likelihood)
                found[f"{name}_gradient"] = at.objective.gradient
        return found

    def restore(self, state: Mapping[str, Array]) -> bool:
        """See the base class."""
        self._reached = np.array(state["reached"])
        self._share, self._is_stuck = float(state["share"]), bool(state["is_stuck"])
        self._halvings, self.step = int(state["halvings"]), int(state["step"])
        self._here, self.best = (
            Evaluated(
                np.array(state[f"{name}_theta"]),
                Objective(
                    float(state[f"{name}_log_likelihood"]), np.array(state[f"{name}_gradient"])
                ),
            )
            if f"{name}_theta" in state
            else None
            for name in ("here", "best")
        )
        return True
