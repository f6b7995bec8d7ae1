import numpy as np
import pytest

from quinoa.agents import moments


@pytest.mark.parametrize(
    ("mean", "deviation", "expected"),
    [
        (0.0, 2e-4, True),
        (0.0, 5e-5, False),
        (20_000.0, 0.05, True),
        (-20_000.0, 0.05, True),
        (20_000.0, 0.004, False),
        (-20_000.0, 0.004, False),
        (1e30, 1e15, False),
    ],
)
def test_what_noise_and_rounding_make_is_no_variation(mean, deviation, expected):
    of_one = np.array([mean, deviation**2], np.float32)
    assert moments.varies(*of_one).numpy() == expected


@pytest.mark.parametrize(
    ("mean", "deviation", "expected"),
    [(0.0, 1e-9, True), (1e-9, 1e-10, True), (0.0, 0.0, False), (20_000.0, 0.004, False)],
)
def test_where_the_unit_may_be_any_no_deviation_is_noise_but_roundings(mean, deviation, expected):
    of_one = np.float32(mean), np.float32(deviation**2)
    assert moments.varies(*of_one, noise=0.0).numpy() == expected
    divisor = moments.deviation(*of_one, noise=0.0)
    assert divisor.numpy() == pytest.approx(deviation if expected else 1.0)
