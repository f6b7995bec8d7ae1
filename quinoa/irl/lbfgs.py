"""L-BFGS as SciPy has it, a gradient at a time: what it does can be saved and done again."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Mapping

import numpy as np
from scipy import optimize

from quinoa.irl.demonstrations import Objective
from quinoa.irl.gradient_steps import Evaluated, Optimizer
from quinoa.irl.route_graph import Array, DivergenceError


class LBFGS(Optimizer):
    """L-BFGS (Nocedal & Wright, 2006, chapter 7), as SciPy has it.

    SciPy's optimiser does not give out its memory. But all that it does follows from the values and
    gradients that it has been told: these are the state, and it is told them again. Another version
    of SciPy may ask for other weights then, and begins anew from the best ones.
    """

    def __init__(
        self, start: Array, *, regularization: float = 0.0, tolerance: float = 1e-7
    ) -> None:
        """Asks for the gradient at `start`, float64 [K], first; for the rest see `Optimizer`."""
        super().__init__(regularization, tolerance)
        self._told: list[tuple[Array, Objective | None]] = []
        self._search = _Search(np.array(start, dtype=np.float64), tolerance)

    def _begin_again(self, start: Array) -> None:
        self.close()
        self.best, self._told = None, []
        self._search = _Search(start, self.tolerance)

    @property
    def theta(self) -> Array:
        """See the base class."""
        if self._search.asked is None:
            assert self.best is not None
            return self.best.theta
        return self._search.asked

    @property
    def is_over(self) -> bool:
        """See the base class."""
        return self._search.asked is None

    def tell(self, objective: Objective | None) -> None:
        """See the base class.

        Outside the set where L is finite, SciPy is told what has its line search take a smaller
        step: a value above that of the best weights by as much as the slope there promised to gain,
        and the opposite slope. Infinities would have its interpolation give NaN.
        """
        theta = self.theta
        self._told.append((theta, objective))
        if objective is None:
            if self.best is None:
                raise DivergenceError("The partition function diverges at the start.")
            slope = self._slope(self.best)
            promised = abs(float(slope @ (theta - self.best.theta)))
            self._search.answer(self._loss(self.best) + promised, slope)
            return
        found = Evaluated(theta, objective)
        loss = self._loss(found)
        if self.best is None or loss <= self._loss(self.best):
            self.best = found
        self._search.answer(loss, -self._slope(found))

    def _loss(self, at: Evaluated) -> float:
        penalty = 0.5 * self.regularization * float(at.theta @ at.theta)
        return penalty - at.objective.log_likelihood

    def state(self) -> Mapping[str, Array]:
        """See the base class: θ [N, K] asked for, L [N] and its gradients [N, K], NaN if −∞."""
        none = Objective(np.nan, np.full_like(self.theta, np.nan))
        told = [none if objective is None else objective for _, objective in self._told]
        size = len(self.theta)
        return {
            "theta": np.array([theta for theta, _ in self._told]).reshape(-1, size),
            "log_likelihood": np.array([each.log_likelihood for each in told]),
            "gradient": np.array([each.gradient for each in told]).reshape(-1, size),
        }

    def restore(self, state: Mapping[str, Array]) -> bool:
        """See the base class."""
        told = [
            Evaluated(np.array(theta), Objective(float(value), np.array(gradient)))
            for theta, value, gradient in zip(
                state["theta"], state["log_likelihood"], state["gradient"], strict=True
            )
        ]
        if told:
            self._begin_again(told[0].theta)
        for theta, objective in told:
            if self.is_over or not np.array_equal(theta, self.theta):
                # SciPy asks for other weights than it did.
                finite = [each for each in told if np.isfinite(each.objective.log_likelihood)]
                best = min(finite, key=self._loss)
                self._begin_again(best.theta)
                self.tell(best.objective)
                return False
            self.tell(objective if np.isfinite(objective.log_likelihood) else None)
        return True

    def close(self) -> None:
        """Ends SciPy's search, where it has not ended by itself."""
        self._search.close()


class _Search:
    """SciPy's minimiser, in a thread of its own which waits for the answer to each question.

    Attributes:
        asked: where a value and a gradient are wanted, float64 [K]; None when it is over.
    """

    def __init__(self, start: Array, tolerance: float) -> None:
        self._questions: queue.SimpleQueue[Array | Exception | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[float, Array] | None] = queue.SimpleQueue()
        # The thread does not refer to this object, so that it ends with it.
        self.close = weakref.finalize(self, self._answers.put, None)
        threading.Thread(
            target=_minimize,
            args=(start, tolerance, self._questions, self._answers),
            name="L-BFGS",
            daemon=True,
        ).start()
        self.asked = self._next()

    def answer(self, value: float, gradient: Array) -> None:
        self._answers.put((value, gradient))
        self.asked = self._next()

    def _next(self) -> Array | None:
        question = self._questions.get()
        if isinstance(question, Exception):
            raise question
        return question


class _ClosedError(Exception):
    """Nobody is to answer any more."""


def _minimize(
    start: Array,
    tolerance: float,
    questions: queue.SimpleQueue[Array | Exception | None],
    answers: queue.SimpleQueue[tuple[float, Array] | None],
) -> None:
    def ask(theta: Array) -> tuple[float, Array]:
        questions.put(np.array(theta))
        answer = answers.get()
        if answer is None:
            raise _ClosedError
        return answer

    try:
        limits = {"ftol": 0.0, "gtol": tolerance, "maxfun": 10**9, "maxiter": 10**9}
        optimize.minimize(ask, start, jac=True, method="L-BFGS-B", options=limits)
    except _ClosedError:
        return
    except Exception as error:
        questions.put(error)
        return
    questions.put(None)
