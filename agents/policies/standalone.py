"""A trained policy that needs NumPy and nothing else: this file, and `policy.npz` beside it.

    import numpy as np
    from policy import Policy

    policy = Policy.load("policy.npz")
    action = policy.mode(observation)
    action = policy.sample(observation, np.random.default_rng(0))
    log_prob = policy.log_prob(observation, action)

Observations are float32, [O] or [B, O]; actions are float32 in [-1, 1], [A] or [B, A].
`policy.json` says what the numbers of an observation are, in order, and which range of the
environment's own actions [-1, 1] stands for.
"""

from __future__ import annotations

import abc
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = Any  # float32, of the shape that is said.

# |y| beyond which tanh(y) has too few neighbours in float32 to be told apart.
_MAX_ATANH = 7.0


class Policy(abc.ABC):
    """π(·|s)."""

    @staticmethod
    def load(path: str | os.PathLike[str] = "policy.npz") -> Policy:
        """Reads a policy from its file, in which nothing is pickled."""
        with np.load(path, allow_pickle=False) as file:
            return Policy.from_arrays(dict(file))

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> Policy:
        """Makes a policy from what its file holds.

        Raises:
          ValueError: it is of a kind that is not known here.
        """
        kind = str(arrays["kind"])
        if kind not in _KINDS:
            raise ValueError(f"A policy of kind {kind!r} is not known here.")
        policy: Policy = _KINDS[kind](arrays)
        return policy

    def mode(self, observation: Array) -> Array:
        """The action to take when nothing is to be left to chance."""
        states = _checked(observation)
        return self._mode(np.atleast_2d(states)).reshape(*states.shape[:-1], -1)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Draws an action for each observation."""
        states = _checked(observation)
        return self._sample(np.atleast_2d(states), rng).reshape(*states.shape[:-1], -1)

    def log_prob(self, observation: Array, action: Array) -> Array:
        """Log π(a|s) in nats: of a density, or of a mass where actions are from a finite set."""
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
        self._layers = _layers(arrays, "network")
        self._shape = int(arrays["action_size"]), int(arrays["num_bins"])

    def _log_probs(self, states: Array) -> Array:
        logits = _forward(self._layers, states, _relu).reshape(-1, *self._shape)
        logits = logits - logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    def _to_action(self, bins: Array) -> Array:
        return (bins * (2.0 / (self._shape[1] - 1)) - 1.0).astype(np.float32)

    def _mode(self, states: Array) -> Array:
        return self._to_action(self._log_probs(states).argmax(axis=-1))

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        log_probs = self._log_probs(states)
        # The largest of the log-probabilities with Gumbel noise is a draw from them.
        return self._to_action((log_probs + rng.gumbel(size=log_probs.shape)).argmax(axis=-1))

    def _log_prob(self, states: Array, actions: Array) -> Array:
        last = self._shape[1] - 1
        bins = np.clip(np.rint((actions + 1.0) * (0.5 * last)), 0, last).astype(np.int64)
        chosen = np.take_along_axis(self._log_probs(states), bins[..., None], axis=-1)
        return chosen.sum(axis=(-2, -1))


class _TanhGaussian(Policy):
    """tanh of a normal distribution with a diagonal covariance."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._layers = _layers(arrays, "network")
        self._max_mean = arrays["max_mean"]
        self._least, self._greatest = arrays["min_log_stddev"], arrays["max_log_stddev"]

    def _parameters(self, states: Array) -> tuple[Array, Array]:
        raw_mean, raw = np.split(_forward(self._layers, states, _relu), 2, axis=-1)
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


class _RealNVP(Policy):
    """tanh ∘ affine couplings ∘ atanh of the uniform distribution on the box."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._action_size = int(arrays["action_size"])
        self._max_shift, self._max_log_scale = arrays["max_shift"], arrays["max_log_scale"]
        self._mode_points = _unsquash(arrays["mode_points"])
        self._couplings = [
            (bool(first), _layers(arrays, f"coupling_{index}"))
            for index, first in enumerate(arrays["first"])
        ]

    def _condition(self, layers: list[Any], given: Array, states: Array) -> tuple[Array, Array]:
        outputs = _forward(layers, np.concatenate([np.tanh(given), states], axis=-1), _elu)
        shift, log_scale = np.split(outputs, 2, axis=-1)
        return (
            self._max_shift * np.tanh(shift / self._max_shift),
            self._max_log_scale * np.tanh(log_scale / self._max_log_scale),
        )

    def _split(self, values: Array, first: bool) -> tuple[Array, Array]:
        """The half that is transformed, and the one that is given."""
        half = self._action_size // 2
        left, right = values[:, :half], values[:, half:]
        return (left, right) if first else (right, left)

    def _push(self, x: Array, states: Array) -> tuple[Array, Array]:
        log_det = np.zeros(len(x), np.float32)
        for first, layers in self._couplings:
            transformed, given = self._split(x, first)
            shift, log_scale = self._condition(layers, given, states)
            transformed = transformed * np.exp(log_scale) + shift
            x = np.concatenate([transformed, given] if first else [given, transformed], axis=-1)
            log_det = log_det + log_scale.sum(axis=-1)
        return x, log_det

    def _pull(self, y: Array, states: Array) -> tuple[Array, Array]:
        log_det = np.zeros(len(y), np.float32)
        for first, layers in reversed(self._couplings):
            transformed, given = self._split(y, first)
            shift, log_scale = self._condition(layers, given, states)
            transformed = (transformed - shift) * np.exp(-log_scale)
            y = np.concatenate([transformed, given] if first else [given, transformed], axis=-1)
            log_det = log_det - log_scale.sum(axis=-1)
        return y, log_det

    def _mode(self, states: Array) -> Array:
        """The densest of the images of fixed points."""
        count, number = len(states), len(self._mode_points)
        x = np.repeat(self._mode_points, count, axis=0)
        y, log_det = self._push(x, np.tile(states, (number, 1)))
        densities = (_log_slope(x) - _log_slope(y)).sum(axis=-1) - log_det
        best = densities.reshape(number, count).argmax(axis=0)
        return _squash(y.reshape(number, count, -1)[best, np.arange(count)])

    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        shape = (len(states), self._action_size)
        uniform = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        return _squash(self._push(_unsquash(uniform), states)[0])

    def _log_prob(self, states: Array, actions: Array) -> Array:
        y = _unsquash(actions)
        x, log_det = self._pull(y, states)
        slopes = (_log_slope(x) - _log_slope(y)).sum(axis=-1)
        return slopes + log_det - np.float32(self._action_size * math.log(2.0))


_KINDS: dict[str, Any] = {
    "multicategorical": _MultiCategorical,
    "tanh_gaussian": _TanhGaussian,
    "real_nvp": _RealNVP,
}


def _checked(observation: Array) -> Array:
    states = np.asarray(observation, np.float32)
    if states.ndim not in (1, 2):
        raise ValueError(f"Observations must be [O] or [B, O], not of shape {states.shape}.")
    return states


def _layers(arrays: Mapping[str, Array], prefix: str) -> list[tuple[Array, Array]]:
    count = sum(name.startswith(f"{prefix}.") and name.endswith(".w") for name in arrays)
    return [(arrays[f"{prefix}.{i}.w"], arrays[f"{prefix}.{i}.b"]) for i in range(count)]


def _forward(layers: list[tuple[Array, Array]], inputs: Array, activation: Any) -> Array:
    for weights, biases in layers[:-1]:
        inputs = activation(inputs @ weights + biases)
    weights, biases = layers[-1]
    return inputs @ weights + biases


def _relu(x: Array) -> Array:
    return np.maximum(x, np.float32(0.0))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, np.float32(0.0))))


def _squash(y: Array) -> Array:
    return np.tanh(np.clip(y, -_MAX_ATANH, _MAX_ATANH)).astype(np.float32)


def _unsquash(action: Array) -> Array:
    edge = np.float32(math.tanh(_MAX_ATANH))
    return np.arctanh(np.clip(action, -edge, edge)).astype(np.float32)


def _log_slope(y: Array) -> Array:
    """log(1 - tanh²(y)), without cancellation at large |y|."""
    return np.float32(2.0) * (np.float32(math.log(2.0)) - y - np.logaddexp(np.float32(0.0), -2 * y))
