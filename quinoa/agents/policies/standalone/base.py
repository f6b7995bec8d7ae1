"""A trained policy that needs only NumPy: this file, and `policy.npz` beside it.

    import numpy as np
    from policy import Policy

    policy = Policy.load("policy.npz")
    action = policy.mode(observation)
    action = policy.sample(observation, np.random.default_rng(0))
    log_prob = policy.log_prob(observation, action)

Observations are float32, [O] or [B, O], or images, uint8 [H, W, C] or [B, H, W, C]. Actions are
float32 in [-1, 1], [A] or [B, A]; or of a finite set int32 from 0, [] or [B], and of K such sets at
once [K] or [B, K]. `policy.json` lists the numbers of an observation in order, and the range of the
environment's own actions that [-1, 1] is mapped to, or how many there are.
"""

from __future__ import annotations

import abc
import math
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

Array = Any  # float32, of the shape in the docstring.

# Up to so many rows, with a matrix of so many numbers for each of them, a product with each row is
# faster than one with all: for that one, the library first copies the matrix into another order.
_FEW_ROWS = 8
_LARGE = 2**12
# Beyond this |y|, float32 resolves tanh(y) too coarsely.
_MAX_ATANH = 7.0


class Policy(abc.ABC):
    """A policy π(·|s)."""

    _kinds: ClassVar[dict[str, Callable[[Mapping[str, Array]], Policy]]] = {}

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays
        # The dimensions of one observation.
        self._rank = 3 if "image" in arrays else 1
        # Whether the deterministic action is the mean, of those kinds that have a choice.
        self._acts_by_mean = bool(arrays.get("acts_by_mean", False))

    def __init_subclass__(cls, kind: str = "") -> None:
        """Has `from_arrays` make policies of this kind, if one is named, by the class."""
        if kind:
            Policy._kinds[kind] = cls

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
        if kind not in Policy._kinds:
            raise ValueError(f"A policy of kind {kind!r} is not known here.")
        return Policy._kinds[kind](arrays)

    def mode(self, observation: Array) -> Array:
        """The deterministic action for each observation; `TypeError` where the policy has none."""
        states = self._states(observation)
        if states.ndim == self._rank:
            return self._mode(states[None])[0]
        return self._mode(states)

    def sample(self, observation: Array, rng: np.random.Generator) -> Array:
        """Samples an action for each observation."""
        states = self._states(observation)
        if states.ndim == self._rank:
            return self._sample(states[None], rng)[0]
        return self._sample(states, rng)

    def log_prob(self, observation: Array, action: Array) -> Array:
        """Log π(a|s) in nats: of a density, or of a mass if the set of actions is finite.

        Raises:
            TypeError: the policy has no density, and can only be sampled.
        """
        states = self._states(observation)
        batch = states[None] if states.ndim == self._rank else states
        log_probs = self._log_prob(batch, self._batch(action))
        return log_probs.reshape(states.shape[: states.ndim - self._rank])

    def _states(self, observation: Array) -> Array:
        """Observations as the networks take them: normalised, where the policy was trained so."""
        if self._rank == 3:
            return self._images(observation)
        states, arrays = np.asarray(observation, np.float32), self._arrays
        if states.ndim not in (1, 2):
            raise ValueError(f"Observations must be [O] or [B, O], not of shape {states.shape}.")
        if "observation_mean" not in arrays:
            return states
        states = (states - arrays["observation_mean"]) * arrays["observation_scale"]
        return clipped(states, -arrays["observation_clip"], arrays["observation_clip"])

    def _images(self, observation: Array) -> Array:
        images = np.asarray(observation)
        shape = tuple(self._arrays["image"][:3])
        if images.dtype != np.uint8 or images.shape[-3:] != shape or images.ndim > 4:
            raise ValueError(
                f"Observations must be uint8 of shape {shape}, or a batch of them, not "
                f"{images.dtype} of shape {images.shape}."
            )
        return images

    def _batch(self, action: Array) -> Array:
        """A batch of actions, [B, A], of one or of several: [A] or [B, A]."""
        return np.atleast_2d(np.asarray(action, np.float32))

    def _mode(self, states: Array) -> Array:
        """[B, O] → [B, A]."""
        raise TypeError("This policy has no mode: sample it.")

    @abc.abstractmethod
    def _sample(self, states: Array, rng: np.random.Generator) -> Array:
        """[B, O] → [B, A]."""

    def _log_prob(self, states: Array, actions: Array) -> Array:
        """[B, O], [B, A] → [B]."""
        raise TypeError("This policy has no density: it can only be sampled.")


# Functions of every step: they write where they can into what they have made, and use no function
# of NumPy that is written in Python, such as `split` and `clip`: at batch 1 that is half the time.


def network(arrays: Mapping[str, Array], name: str, activation: Any = None) -> Any:
    """Makes the forward pass of the layers `NAME.i.w` and `.b`: [B, inputs] → [B, outputs].

    Where there are `strides`, the inputs are images, and the first layers are convolutions.
    Where `residual` is among the arrays, the layers are an embedding, two a residual block, and an
    output.
    """
    first_alone = activation is None and "first_layer_norm" in arrays
    activation = activation or (relu_of_layer_norm if arrays["layer_norm"] else relu)
    count = sum(key.startswith(f"{name}.") and key.endswith(".w") for key in arrays)
    layers = [(arrays[f"{name}.{i}.w"], arrays[f"{name}.{i}.b"]) for i in range(count)]
    if "residual" in arrays:
        return _residual(layers)
    strides = [int(stride) for stride in arrays.get("strides", ())]
    forward = _dense(layers[len(strides) :], activation, relu if first_alone else activation)
    if not strides:
        return forward
    first = layers[: len(strides)]
    if "standardized" in arrays:
        standard = _convolutional(first, strides, 1.0, activation)
        return lambda images: forward(standard(_standardized(images)))
    features = _convolutional(first, strides, 1.0 / arrays["image"][3], activation)
    return lambda images: forward(features(images))


def _dense(layers: Any, of_first: Any, of_others: Any) -> Any:
    *hidden, last = [_linear(*layer) for layer in layers]
    activated = [(layer, of_others if i else of_first) for i, layer in enumerate(hidden)]

    def forward(inputs: Array) -> Array:
        for layer, activation in activated:
            inputs = activation(layer(inputs))
        return last(inputs)

    return forward


def _linear(weights: Array, biases: Array) -> Any:
    """Makes a layer [B, inputs] → [B, outputs]."""
    few = min(weights.size // _LARGE, _FEW_ROWS)

    def forward(inputs: Array) -> Array:
        outputs = _row_by_row(inputs, weights) if 1 < len(inputs) <= few else inputs @ weights
        outputs += biases
        return outputs

    return forward


def _residual(layers: Any) -> Any:
    """Makes a residual network of its layers, as in `quinoa.agents.residual`."""
    embedding, *blocks, output = [_linear(*layer) for layer in layers]

    def forward(inputs: Array) -> Array:
        x = embedding(inputs)
        for index in range(0, len(blocks), 2):
            x += blocks[index + 1](relu(blocks[index](layer_norm(x.copy()))))
        return output(layer_norm(x))

    return forward


def _convolutional(layers: Any, strides: Any, factor: float, activation: Any) -> Any:
    """Makes the forward pass of convolutions: [B, H, W, C], times a factor → [B, features]."""
    scale = np.float32(factor)

    def forward(inputs: Array) -> Array:
        for index, ((weights, biases), stride) in enumerate(zip(layers, strides, strict=True)):
            patches = _patches(inputs, math.isqrt(len(weights) // inputs.shape[3]), stride)
            rows = patches.reshape(-1, len(weights))
            # Pixels become floats, and are scaled, where there are the fewest of them.
            outputs = rows.astype(np.float32, copy=False) @ weights
            if not index and scale != 1:
                outputs *= scale
            outputs += biases
            inputs = activation(outputs).reshape(*patches.shape[:3], -1)
        return inputs.reshape(len(inputs), -1)

    return forward


def _standardized(images: Array) -> Array:
    """Images, uint8 [B, H, W, C], with a mean of 0 and a deviation of 1 each, float32.

    As of `tf.image.per_image_standardization`, no deviation is taken to be below that of one pixel.
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    deviations = np.sqrt(np.square(flat).mean(axis=1, keepdims=True))
    flat /= np.maximum(deviations, np.float32(flat.shape[1] ** -0.5))
    return flat.reshape(images.shape)


def _patches(images: Array, size: int, stride: int) -> Array:
    """What each place of a filter sees: [B, H, W, C] → [B, rows, columns, size, size, C]."""
    batch, height, width, channels = images.shape
    n, y, x, c = images.strides
    shape = (batch, (height - size) // stride + 1, (width - size) // stride + 1)
    return np.lib.stride_tricks.as_strided(
        images,
        (*shape, size, size, channels),
        (n, y * stride, x * stride, y, x, c),
        writeable=False,
    )


def _row_by_row(inputs: Array, weights: Array) -> Array:
    """[B, inputs] × [inputs, outputs] → [B, outputs]."""
    outputs = np.empty((len(inputs), weights.shape[1]), np.float32)
    for i in range(len(inputs)):
        np.dot(inputs[i], weights, out=outputs[i])
    return outputs


def halves(values: Array) -> tuple[Array, Array]:
    """Splits the last axis in two."""
    half = values.shape[-1] // 2
    return values[..., :half], values[..., half:]


def clipped(values: Array, low: float, high: float) -> Array:
    """Within [low, high], as `np.clip`."""
    return np.minimum(np.maximum(values, np.float32(low)), np.float32(high))


def log_softmax(logits: Array) -> Array:
    """Over the last axis."""
    logits = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    logits -= np.log(np.add.reduce(np.exp(logits), axis=-1, keepdims=True))
    return logits


def draw(logits: Array, rng: np.random.Generator) -> Array:
    """Draws from the softmax over the last axis, which is written over: [..., n] → int64 [...]."""
    # By the inverse of the cumulative sum, which needs no logarithm, one random number and one
    # exponential function for each of the n. What is summed need not sum to 1.
    logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    upper = np.add.accumulate(np.exp(logits, out=logits), axis=-1)
    # In float64, so that it is below the last sum, and what has no mass is never drawn.
    drawn = rng.random(logits.shape[:-1]) * upper[..., -1]
    return np.add.reduce(upper[..., :-1] <= drawn[..., None], axis=-1)


def relu(x: Array) -> Array:
    """max(x, 0), written into x."""
    return np.maximum(x, np.float32(0.0), out=x)


def relu_of_layer_norm(x: Array) -> Array:
    """max((x − mean) / deviation, 0) over the last axis, written into x."""
    return relu(layer_norm(x))


def layer_norm(x: Array) -> Array:
    """(x − mean) / deviation over the last axis, written into x."""
    over_columns = np.float32(1.0 / x.shape[-1])
    x -= np.add.reduce(x, axis=-1, keepdims=True) * over_columns
    variances = np.add.reduce(np.square(x), axis=-1, keepdims=True) * over_columns
    x /= np.sqrt(variances + np.float32(1e-5))
    return x


def elu(x: Array) -> Array:
    """max(x, 0) + exp(min(x, 0)) − 1, written into x."""
    negative = np.minimum(x, np.float32(0.0))
    np.expm1(negative, out=negative)
    np.maximum(x, np.float32(0.0), out=x)
    x += negative
    return x


def within(outputs: Array, low: Array, high: Array) -> Array:
    """Takes a network's outputs to the interval from `low` to `high` by tanh."""
    return low + np.float32(0.5) * (high - low) * (np.tanh(outputs) + np.float32(1.0))


def squash(y: Array) -> Array:
    """From R to the interval of actions."""
    return np.tanh(clipped(y, -_MAX_ATANH, _MAX_ATANH))


def unsquash(action: Array) -> Array:
    """The inverse of `squash`, of actions clipped to what it can give."""
    return np.arctanh(clipped(action, -math.tanh(_MAX_ATANH), math.tanh(_MAX_ATANH)))


def log_slope(y: Array) -> Array:
    """log(1 - tanh²(y)), without cancellation at large |y|."""
    return np.float32(2.0) * (np.float32(math.log(2.0)) - y - np.logaddexp(np.float32(0.0), -2 * y))
