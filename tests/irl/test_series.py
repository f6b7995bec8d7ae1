import pickle

import numpy as np
import pytest
from scipy import sparse

from quinoa.irl import series


def solve(dense, first):
    return np.linalg.solve(np.eye(len(first)) - dense, first)


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize("radius", [0.1, 0.9, 0.999])
def test_the_sum_is_the_solution(elementwise, radius):
    rng = np.random.default_rng(0)
    dense = rng.uniform(size=(6, 6))
    dense *= radius / np.abs(np.linalg.eigvals(dense)).max()
    first = rng.uniform(size=6)
    found = series.log_sum(sparse.csr_matrix(dense), first, elementwise=elementwise)
    np.testing.assert_allclose(np.exp(found), solve(dense, first), rtol=1e-10)


def ring(length: int, weight: float) -> sparse.csr_matrix:
    """Round a ring whose weights multiply to `weight`; term n is 0 at all states but one."""
    states = np.arange(length)
    return sparse.csr_matrix(
        (np.full(length, weight ** (1 / length)), (states, (states + 1) % length))
    )


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize("length", [1, 3, 50, 301])
def test_a_long_cycle_is_followed_to_its_end(elementwise, length):
    first = np.zeros(length)
    first[0] = 1.0
    found = series.log_sum(ring(length, 0.9), first, elementwise=elementwise)
    expected = solve(ring(length, 0.9).toarray(), first)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-10)


@pytest.mark.parametrize("length", [1, 3, 50])
@pytest.mark.parametrize("weight", [1.0, 1.1, 1e6])
def test_a_cycle_that_costs_nothing_has_no_sum(length, weight):
    first = np.zeros(length)
    first[0] = 1.0
    with pytest.raises(series.SeriesError) as raised:
        series.log_sum(ring(length, weight), first, elementwise=True)
    assert raised.value.certain and 0 <= raised.value.state < length


def test_a_cycle_behind_a_small_weight_has_no_sum_either():
    # State 0 gets its sum from state 1 at once; the cycle 2 → 2 gives next to nothing.
    matrix = sparse.csr_matrix([[0.0, 1.0, 1e-200], [0.0, 0.0, 0.0], [0.0, 1e-200, 1.01]])
    with pytest.raises(series.SeriesError) as raised:
        series.log_sum(matrix, np.array([0.0, 1.0, 0.0]), elementwise=True)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.state, again.certain, str(again)) == (2, raised.value.certain, str(raised.value))


def test_sums_beyond_a_float_are_logarithms():
    # 2000 states in a row, each with a weight of 10 to the next.
    matrix = sparse.diags([np.full(1999, 10.0)], [1], format="csr")
    first = np.zeros(2000)
    first[-1] = 1.0
    found = series.log_sum(matrix, first, elementwise=True)
    np.testing.assert_allclose(found[::-1], np.arange(2000) * np.log(10.0), rtol=1e-12)


@pytest.mark.parametrize("length", [1, 3, 50])
def test_powers_that_vanish_are_found(length):
    assert series.vanishes(ring(length, 0.9))
    # All of the weight is on one edge of the cycle.
    uneven = ring(length, 1.0)
    uneven.data[0] = 0.5
    assert series.vanishes(uneven)
    uneven.data[0] = 1.5
    assert not series.vanishes(uneven)
    assert not series.vanishes(ring(length, 1.0)) and not series.vanishes(ring(length, 1e300))


def test_terms_end():
    with pytest.raises(series.SeriesError) as raised:
        series.log_sum(ring(1, 1 - 1e-9), np.ones(1), elementwise=True, max_terms=64)
    assert not raised.value.certain
