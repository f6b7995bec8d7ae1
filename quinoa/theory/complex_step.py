"""Derivatives without a difference: exact but for rounding, of functions that are analytic.

f(x + ih) = f(x) + ih f'(x) + O(h²), so the imaginary part, divided by a tiny h, is the derivative,
and nothing cancels (Squire & Trapp, 1998, *Using Complex Variables to Estimate Derivatives of Real
Functions*). What is to be differentiated must accept complex numbers, and take no absolute value of
them and compare none. The functions of this package are so, and with them derivatives by hand are
checked to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

# Of float64, or complex128 while a derivative is taken; integers where it says so.
Array = npt.NDArray[Any]

_STEP = 1e-30


def jacobian(function: Callable[[Array], Array], theta: Array) -> Array:
    """The derivative of a function of parameters, at `theta`.

    Args:
        function: maps parameters [P] to an array [...]; analytic.
        theta: float64 [P].

    Returns:
        float64 [..., P]: a gradient [P] if the function is a scalar.

    Raises:
        TypeError: the function's value is real where its argument is complex, so it has dropped the
            part that carries the derivative, or does not depend on its argument.
    """
    columns = []
    for index in range(theta.size):
        moved = theta.astype(np.complex128)
        moved[index] += 1j * _STEP
        value = np.asarray(function(moved))
        if not np.iscomplexobj(value):
            raise TypeError("The function gives a real value for a complex argument.")
        columns.append(value.imag / _STEP)
    return np.stack(columns, axis=-1)
