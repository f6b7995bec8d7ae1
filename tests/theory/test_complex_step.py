import numpy as np
import pytest

from quinoa.theory import complex_step

X = np.array([0.3, -1.2, 2.0])


def test_derivatives_are_exact_to_rounding():
    gradient = complex_step.jacobian(lambda x: np.sum(np.exp(x) * np.sin(x)), X)
    by_hand = np.exp(X) * (np.sin(X) + np.cos(X))
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-14)
    # A central difference is good to eleven digits, and a wrong derivative would be to none.
    step = 1e-5
    moved = np.exp(X + step) * np.sin(X + step) - np.exp(X - step) * np.sin(X - step)
    np.testing.assert_allclose(gradient, moved / (2 * step), rtol=1e-8)


def test_an_array_has_a_jacobian_with_the_parameters_last():
    matrix = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_allclose(complex_step.jacobian(lambda x: matrix @ x, X), matrix, rtol=1e-15)


def test_a_function_that_drops_the_imaginary_part_is_refused():
    with pytest.raises(TypeError, match="real value"):
        complex_step.jacobian(lambda x: np.abs(x), X)
