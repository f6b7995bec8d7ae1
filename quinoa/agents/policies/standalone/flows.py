"""Chains of couplings on the box, as in `quinoa.agents.policies.flow`."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from quinoa.agents.policies.standalone.base import (
    Array,
    Policy,
    clipped,
    elu,
    halves,
    log_slope,
    log_softmax,
    network,
    relu,
    squash,
    unsquash,
    within,
)

# Log-densities closer than this, in nats, count as equal.
_EQUALLY_DENSE = 1e-3


class _Flow(Policy):
    """The uniform distribution on the box, transformed by couplings.

    A coupling transforms one half of the dimensions, with parameters that a network computes from
    the other half. Its transform is a pair of functions, forward and inverse; each returns the new
    points and the log of its determinant. Points are actions, or squashed to them.
    """

    _is_squashed = False
    _activation: Any = staticmethod(elu)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._action_size = int(arrays["action_size"])
        self._mode_points = arrays.get("mode_points")
        self._couplings = [
            (bool(first), network(arrays, f"coupling_{index}", self._activation))
            for index, first in enumerate(arrays["first"])
        ]

    @abc.abstractmethod
    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        """Makes the transform, (`push`, `pull`) of [N, T], of a network's outputs."""

    def _to_action(self, y: Array) -> Array:
        return squash(y) if self._is_squashed else clipped(y, -1.0, 1.0)

    def _from_action(self, action: Array) -> Array:
        return unsquash(action) if self._is_squashed else clipped(action, -1.0, 1.0)

    def _log_slope(self, y: Array) -> Array:
        """Log |da/dy| of each dimension."""
        return log_slope(y) if self._is_squashed else np.zeros_like(y)

    def _apply(self, points: Array, states: Array, *, inverse: bool) -> tuple[Array, Array]:
        points = points.copy()
        log_det = np.zeros(len(points), np.float32)
        for first, conditioner in reversed(self._couplings) if inverse else self._couplings:
            half = self._action_size // 2
            left, right = points[:, :half], points[:, half:]
            moved, given = (left, right) if first else (right, left)
            outputs = conditioner(np.concatenate([self._to_action(given), states], axis=-1))
            moved[...], change = self._transform(outputs)[inverse](moved)
            log_det += change
        return points, log_det

    def _mode(self, states: Array) -> Array:
        """The densest of the images of fixed points, the first of those equal; or their mean."""
        if self._mode_points is None:
            raise ValueError("This policy was made without the points that its mode is among.")
        count, number = len(states), len(self._mode_points)
        x = np.repeat(self._from_action(self._mode_points), count, axis=0)
        y, log_det = self._apply(x, np.tile(states, (number, 1)), inverse=False)
        if self._acts_by_mean:
            return self._to_action(y).reshape(number, count, -1).mean(axis=0)
        densities = self._log_density(x, y, -log_det).reshape(number, count)
        first = (densities > densities.max(axis=0) - np.float32(_EQUALLY_DENSE)).argmax(axis=0)
        return self._to_action(y.reshape(number, count, -1)[first, np.arange(count)])

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        shape = (len(states), self._action_size)
        uniform = np.float32(2.0) * rng.random(shape, np.float32) - np.float32(1.0)
        return self._to_action(self._apply(self._from_action(uniform), states, inverse=False)[0])

    def _log_prob(self, states: Array, actions: Array) -> Array:
        y = self._from_action(actions)
        x, log_det = self._apply(y, states, inverse=True)
        return self._log_density(x, y, log_det)

    def _log_density(self, x: Array, y: Array, log_det: Array) -> Array:
        slopes = (self._log_slope(x) - self._log_slope(y)).sum(axis=-1)
        return slopes + log_det - np.float32(self._action_size * math.log(2.0))


class _RealNVP(_Flow, kind="real_nvp"):
    """Affine couplings, in the coordinates y = atanh(a)."""

    _is_squashed = True

    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        shift, log_scale = halves(outputs)
        shift = self._arrays["max_shift"] * np.tanh(shift / self._arrays["max_shift"])
        bound = self._arrays["log_scale_bounds"][(log_scale > 0.0).astype(np.int8)]
        log_scale = bound * np.tanh(log_scale / bound)
        log_det = np.add.reduce(log_scale, axis=-1)
        return (
            lambda x: (x * np.exp(log_scale) + shift, log_det),
            lambda y: ((y - shift) * np.exp(-log_scale), -log_det),
        )


class _GaussianFlow(_Flow, kind="gaussian_flow"):
    """Additive couplings of a Gaussian whose deviations depend on the state, in y = atanh(a)."""

    _is_squashed = True
    _activation = None  # Of plain layers, as the arrays say.

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__(arrays)
        self._raw_log_stddev = network(arrays, "log_stddev", relu)

    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        shift = self._arrays["max_shift"] * np.tanh(outputs / self._arrays["max_shift"])
        return lambda x: (x + shift, np.float32(0.0)), lambda y: (y - shift, np.float32(0.0))

    def _log_stddev(self, states: Array) -> Array:
        low, high = self._arrays["min_log_stddev"], self._arrays["max_log_stddev"]
        return within(self._raw_log_stddev(states), low, high)

    def _mode(self, states: Array) -> Array:
        """The image of 0, where the density of y is highest."""
        zeros = np.zeros((len(states), self._action_size), np.float32)
        return self._to_action(self._apply(zeros, states, inverse=False)[0])

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        x = rng.standard_normal((len(states), self._action_size), np.float32)
        x *= np.exp(self._log_stddev(states))
        return self._to_action(self._apply(x, states, inverse=False)[0])

    def _log_prob(self, states: Array, actions: Array) -> Array:
        y = self._from_action(actions)
        x, _ = self._apply(y, states, inverse=True)
        log_stddev = self._log_stddev(states)
        deviation = x * np.exp(-log_stddev)
        normal = -0.5 * deviation**2 - log_stddev - np.float32(0.5 * math.log(2.0 * math.pi))
        return (normal - self._log_slope(y)).sum(axis=-1)


class _PiecewiseLinear(_Flow, kind="piecewise_linear"):
    """Histograms with n equal bins in each dimension, in the coordinates y = a."""

    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        number = int(self._arrays["num_bins"])
        log_probs = log_softmax(outputs.reshape(len(outputs), -1, number))
        probs = np.exp(log_probs)
        upper = np.add.accumulate(probs, axis=-1)

        def at(index: Array) -> tuple[Array, Array, Array]:
            values = (upper - probs, probs, log_probs + np.float32(math.log(number)))
            below, prob, log_density = (
                np.take_along_axis(value, index[..., None], axis=-1)[..., 0] for value in values
            )
            return below, prob, log_density.sum(axis=-1)

        def push(x: Array) -> tuple[Array, Array]:
            u = np.float32(0.5) * (x + np.float32(1.0))
            index = np.add.reduce(upper[..., :-1] <= u[..., None], axis=-1)
            below, prob, log_density = at(index)
            within = clipped((u - below) / np.maximum(prob, np.float32(1e-30)), 0.0, 1.0)
            y = (index + within) * (2.0 / number) - 1.0
            return y.astype(np.float32), -log_density

        def pull(y: Array) -> tuple[Array, Array]:
            z = (y + np.float32(1.0)) * np.float32(0.5 * number)
            index = np.clip(z.astype(np.int64), 0, number - 1)
            below, prob, log_density = at(index)
            u = below + (z - index.astype(np.float32)) * prob
            return np.float32(2.0) * u - np.float32(1.0), log_density

        return push, pull
