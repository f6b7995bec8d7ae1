"""A trained policy that needs only NumPy: this file, and `policy.npz` beside it.

    import numpy as np
    from policy import Policy

    policy = Policy.load("policy.npz")
    action = policy.mode(observation)
    action = policy.sample(observation, np.random.default_rng(0))
    log_prob = policy.log_prob(observation, action)

Observations are float32, [O] or [B, O]; actions are float32 in [-1, 1], [A] or [B, A].
`policy.json` lists the numbers of an observation in order, and the range of the environment's own
actions that [-1, 1] is mapped to.
"""

from __future__ import annotations

import abc
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = Any  # float32, of the shape in the docstring.

# Beyond this |y|, float32 resolves tanh(y) too coarsely.
_MAX_ATANH = 7.0
# Log-densities closer than this, in nats, count as equal.
_EQUALLY_DENSE = 1e-3


class Policy(abc.ABC):
    """A policy π(·|s)."""

    @staticmethod
    def load(path: str | os.PathLike[str] = "policy.npz") -> Policy:
        """Reads a policy from its file; nothing in it is unpickled."""
        with np.load(path, allow_pickle=False) as file:
            return Policy.from_arrays(dict(file))

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> Policy:
        """Makes a policy from the arrays of its file.

        Raises:
            ValueError: this file does not know the policy's kind.
        """
        kind = str(arrays["kind"])
        if kind not in _KINDS:
            raise ValueError(f"A policy of kind {kind!r} is not known here.")
        return _KINDS[kind](arrays)

    def mode(self, observation: Array) -> Array:
        """The deterministic action for each observation."""
        states = _checked(observation)
        return self._mode(np.atleast_2d(states)).reshape(*states.shape[:-1], -1)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Samples an action for each observation."""
        states = _checked(observation)
        if states.ndim == 1:
            return self._sample(states[None], rng)[0]
        return self._sample(states, rng)

    def log_prob(self, observation: Array, action: Array) -> Array:
        """Log π(a|s) in nats: of a density, or of a mass if the set of actions is finite."""
        states = _checked(observation)
        actions = np.atleast_2d(np.asarray(action, np.float32))
        return self._log_prob(np.atleast_2d(states), actions).reshape(states.shape[:-1])

    @abc.abstractmethod
    def _mode(self, states: Array) -> Array:
        """[B, O] → [B, A]."""

    @abc.abstractmethod
    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        """[B, O] → [B, A]."""

    @abc.abstractmethod
    def _log_prob(self, states: Array, actions: Array) -> Array:
        """[B, O], [B, A] → [B]."""


class _MultiCategorical(Policy):
    """A softmax over the bins -1 + 2 j / (n - 1) in each dimension."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._network = _network(arrays, "network")
        self._shape = int(arrays["action_size"]), int(arrays["num_bins"])

    def _log_probs(self, states: Array) -> Array:
        return _log_softmax(self._network(states).reshape(-1, *self._shape))

    def _to_action(self, bins: Array) -> Array:
        return (bins * (2.0 / (self._shape[1] - 1)) - 1.0).astype(np.float32)

    def _mode(self, states: Array) -> Array:
        return self._to_action(self._log_probs(states).argmax(axis=-1))

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        # By the inverse of the cumulative sum, which needs no logarithm, one random number and one
        # exponential function for each bin. What is summed need not sum to 1.
        masses = self._network(states).reshape(-1, *self._shape)
        masses -= np.maximum.reduce(masses, axis=-1, keepdims=True)
        upper = np.add.accumulate(np.exp(masses, out=masses), axis=-1)
        # In float64, so that it is below the last sum, and a bin without mass is never drawn.
        drawn = rng.random(masses.shape[:-1]) * upper[..., -1]
        return self._to_action(np.add.reduce(upper[..., :-1] <= drawn[..., None], axis=-1))

    def _log_prob(self, states: Array, actions: Array) -> Array:
        last = self._shape[1] - 1
        bins = np.clip(np.rint((actions + 1.0) * (0.5 * last)), 0, last).astype(np.int64)
        chosen = np.take_along_axis(self._log_probs(states), bins[..., None], axis=-1)
        return chosen.sum(axis=(-2, -1))


class _TanhGaussian(Policy):
    """tanh of a normal distribution with a diagonal covariance."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._network = _network(arrays, "network")
        self._max_mean = arrays["max_mean"]
        self._least, self._greatest = arrays["min_log_stddev"], arrays["max_log_stddev"]

    def _parameters(self, states: Array) -> tuple[Array, Array]:
        raw_mean, raw = _halves(self._network(states))
        mean = self._max_mean * np.tanh(raw_mean / self._max_mean)
        half_range = np.float32(0.5) * (self._greatest - self._least)
        return mean, self._least + half_range * (np.tanh(raw) + np.float32(1.0))

    def _mode(self, states: Array) -> Array:
        return _squash(self._parameters(states)[0])

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        mean, log_stddev = self._parameters(states)
        noise = rng.standard_normal(mean.shape, np.float32)
        return _squash(mean + np.exp(log_stddev) * noise)

    def _log_prob(self, states: Array, actions: Array) -> Array:
        mean, log_stddev = self._parameters(states)
        y = _unsquash(actions)
        deviation = (y - mean) * np.exp(-log_stddev)
        normal = -0.5 * deviation**2 - log_stddev - np.float32(0.5 * math.log(2.0 * math.pi))
        return (normal - _log_slope(y)).sum(axis=-1)


class _Flow(Policy):
    """The uniform distribution on the box, transformed by couplings.

    A coupling transforms one half of the dimensions, with parameters that a network computes from
    the other half. Its transform is a pair of functions, forward and inverse; each returns the new
    points and the log of its determinant. Points are actions, or squashed to them.
    """

    _is_squashed = False

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        self._action_size = int(arrays["action_size"])
        self._mode_points = arrays.get("mode_points")
        self._couplings = [
            (bool(first), _network(arrays, f"coupling_{index}", _elu))
            for index, first in enumerate(arrays["first"])
        ]

    @abc.abstractmethod
    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        """Makes the transform, (`push`, `pull`) of [N, T], of a network's outputs."""

    def _to_action(self, y: Array) -> Array:
        return _squash(y) if self._is_squashed else _clipped(y, -1.0, 1.0)

    def _from_action(self, action: Array) -> Array:
        return _unsquash(action) if self._is_squashed else _clipped(action, -1.0, 1.0)

    def _log_slope(self, y: Array) -> Array:
        """Log |da/dy| of each dimension."""
        return _log_slope(y) if self._is_squashed else np.zeros_like(y)

    def _apply(self, points: Array, states: Array, *, inverse: bool) -> tuple[Array, Array]:
        points = points.copy()
        log_det = np.zeros(len(points), np.float32)
        for first, network in reversed(self._couplings) if inverse else self._couplings:
            half = self._action_size // 2
            left, right = points[:, :half], points[:, half:]
            moved, given = (left, right) if first else (right, left)
            outputs = network(np.concatenate([self._to_action(given), states], axis=-1))
            moved[...], change = self._transform(outputs)[inverse](moved)
            log_det += change
        return points, log_det

    def _mode(self, states: Array) -> Array:
        """The densest of the images of fixed points; the first of those that count as equal."""
        if self._mode_points is None:
            raise ValueError("This policy was made without the points that its mode is among.")
        count, number = len(states), len(self._mode_points)
        x = np.repeat(self._from_action(self._mode_points), count, axis=0)
        y, log_det = self._apply(x, np.tile(states, (number, 1)), inverse=False)
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


class _RealNVP(_Flow):
    """Affine couplings, in the coordinates y = atanh(a)."""

    _is_squashed = True

    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        shift, log_scale = _halves(outputs)
        shift = self._arrays["max_shift"] * np.tanh(shift / self._arrays["max_shift"])
        bound = self._arrays["log_scale_bounds"][(log_scale > 0.0).astype(np.int8)]
        log_scale = bound * np.tanh(log_scale / bound)
        log_det = np.add.reduce(log_scale, axis=-1)
        return (
            lambda x: (x * np.exp(log_scale) + shift, log_det),
            lambda y: ((y - shift) * np.exp(-log_scale), -log_det),
        )


class _PiecewiseLinear(_Flow):
    """Histograms with n equal bins in each dimension, in the coordinates y = a."""

    def _transform(self, outputs: Array) -> tuple[Any, Any]:
        number = int(self._arrays["num_bins"])
        log_probs = _log_softmax(outputs.reshape(len(outputs), -1, number))
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
            within = _clipped((u - below) / np.maximum(prob, np.float32(1e-30)), 0.0, 1.0)
            y = (index + within) * (2.0 / number) - 1.0
            return y.astype(np.float32), -log_density

        def pull(y: Array) -> tuple[Array, Array]:
            z = (y + np.float32(1.0)) * np.float32(0.5 * number)
            index = np.clip(z.astype(np.int64), 0, number - 1)
            below, prob, log_density = at(index)
            u = below + (z - index.astype(np.float32)) * prob
            return np.float32(2.0) * u - np.float32(1.0), log_density

        return push, pull


_KINDS: dict[str, Callable[[Mapping[str, Array]], Policy]] = {
    "multicategorical": _MultiCategorical,
    "tanh_gaussian": _TanhGaussian,
    "real_nvp": _RealNVP,
    "piecewise_linear": _PiecewiseLinear,
}


def _checked(observation: Array) -> Array:
    states = np.asarray(observation, np.float32)
    if states.ndim not in (1, 2):
        raise ValueError(f"Observations must be [O] or [B, O], not of shape {states.shape}.")
    return states


# Functions of every step: they write where they can into what they have made, and use no function
# of NumPy that is written in Python, such as `split` and `clip`: at batch 1 that is half the time.


def _network(arrays: Mapping[str, Array], name: str, activation: Any = None) -> Any:
    activation = activation or (_relu_of_layer_norm if arrays["layer_norm"] else _relu)
    count = sum(key.startswith(f"{name}.") and key.endswith(".w") for key in arrays)
    layers = [(arrays[f"{name}.{i}.w"], arrays[f"{name}.{i}.b"]) for i in range(count)]

    def forward(inputs: Array) -> Array:
        for index, (weights, biases) in enumerate(layers):
            outputs = inputs @ weights
            outputs += biases
            inputs = activation(outputs) if index < count - 1 else outputs
        return inputs

    return forward


def _halves(values: Array) -> tuple[Array, Array]:
    half = values.shape[-1] // 2
    return values[..., :half], values[..., half:]


def _clipped(values: Array, low: float, high: float) -> Array:
    return np.minimum(np.maximum(values, np.float32(low)), np.float32(high))


def _log_softmax(logits: Array) -> Array:
    logits = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    logits -= np.log(np.add.reduce(np.exp(logits), axis=-1, keepdims=True))
    return logits


def _relu(x: Array) -> Array:
    return np.maximum(x, np.float32(0.0), out=x)


def _relu_of_layer_norm(x: Array) -> Array:
    over_columns = np.float32(1.0 / x.shape[-1])
    x -= np.add.reduce(x, axis=-1, keepdims=True) * over_columns
    variances = np.add.reduce(np.square(x), axis=-1, keepdims=True) * over_columns
    x /= np.sqrt(variances + np.float32(1e-5))
    return _relu(x)


def _elu(x: Array) -> Array:
    negative = np.minimum(x, np.float32(0.0))
    np.expm1(negative, out=negative)
    np.maximum(x, np.float32(0.0), out=x)
    x += negative
    return x


def _squash(y: Array) -> Array:
    return np.tanh(_clipped(y, -_MAX_ATANH, _MAX_ATANH))


def _unsquash(action: Array) -> Array:
    return np.arctanh(_clipped(action, -math.tanh(_MAX_ATANH), math.tanh(_MAX_ATANH)))


def _log_slope(y: Array) -> Array:
    """log(1 - tanh²(y)), without cancellation at large |y|."""
    return np.float32(2.0) * (np.float32(math.log(2.0)) - y - np.logaddexp(np.float32(0.0), -2 * y))
