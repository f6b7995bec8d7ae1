from __future__ import annotations

import numpy as np
import pytest

from quinoa.irl.demonstrations import Demonstrations
from quinoa.irl.exponentiated_gradient import ExponentiatedGradient, StepSizes
from quinoa.irl.gradient_steps import Optimizer, gradient_step
from quinoa.irl.lbfgs import LBFGS
from quinoa.irl.route_graph import DivergenceError
from tests.irl import graphs

START = np.full(3, -4.0)
# Long ways round, so that some steps lead to where the partition function diverges.
ROUTES = Demonstrations.from_states(
    graphs.cyclic(np.random.default_rng(0)),
    [[0, 1, 2, 3, 0, 1, 2, 0, 2, 1, 3, 1, 0, 3, 1, 2, 4], [3, 2, 1, 0, 1, 2, 3, 0, 1, 4]],
)


def made(kind: str, start: np.ndarray = START) -> Optimizer:
    if kind == "lbfgs":
        return LBFGS(start)
    return ExponentiatedGradient(start, StepSizes(1.0, 1 if kind == "online" else None, 2, seed=3))


def trace(optimizer: Optimizer, count: int) -> list[np.ndarray]:
    """Where so many gradients were asked for."""
    asked = []
    for _ in range(count):
        asked.append(optimizer.theta)
        gradient_step(optimizer, ROUTES)
    return asked


@pytest.mark.parametrize("kind", ["lbfgs", "batch", "online"])
def test_a_restored_optimiser_asks_for_the_same_bit_for_bit(kind):
    whole = made(kind)
    expected = trace(whole, 9)
    for cut in (0, 4):
        first = made(kind)
        trace(first, cut)
        state = {name: np.array(value) for name, value in first.state().items()}
        second = made(kind)
        assert second.restore(state)
        np.testing.assert_array_equal(trace(second, 9 - cut), expected[cut:])
        assert second.best is not None and whole.best is not None
        np.testing.assert_array_equal(second.best.theta, whole.best.theta)


def test_steps_to_where_it_diverges_are_among_those_that_are_restored():
    found = LBFGS(START)
    trace(found, 9)
    assert np.isnan(found.state()["log_likelihood"]).any()


def test_lbfgs_begins_anew_from_the_best_where_scipy_asks_for_others():
    first = LBFGS(START)
    trace(first, 5)
    state = {name: np.array(value) for name, value in first.state().items()}
    state["theta"][3] += 1e-9
    second = LBFGS(START)
    assert not second.restore(state)
    assert first.best is not None and second.best is not None
    np.testing.assert_array_equal(second.best.theta, first.best.theta)
    trace(second, 1)


@pytest.mark.parametrize("kind", ["lbfgs", "batch"])
def test_a_start_where_it_diverges_is_refused(kind):
    with pytest.raises(DivergenceError):
        gradient_step(made(kind, np.full(3, -0.01)), ROUTES)


def test_what_ends_a_gradient_early_leaves_all_as_it_was():
    class EndedError(Exception):
        pass

    def end() -> None:
        raise EndedError

    optimizer = made("lbfgs")
    with pytest.raises(EndedError):
        gradient_step(optimizer, ROUTES, before_each=end)
    assert optimizer.best is None and len(optimizer.state()["theta"]) == 0
