"""Distributions of one choice, or of several at once, each from finitely many values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd


class FiniteDistribution(tfd.Distribution):
    """A distribution with the shapes of a tensor that has a number for each value of each choice.

    That is [B, n] for one choice from n values, whose event shape is [], and [B, K, n] for K
    choices, whose event shape is [K].
    """

    def __init__(
        self,
        numbers: tf.Tensor,
        *,
        event_ndims: int,
        dtype: tf.DType,
        parameters: Mapping[str, Any],
        name: str,
    ):
        """Makes it.

        Args:
            numbers: float32 [B, n], or [B, K, n].
            event_ndims: 0 for one choice, 1 for K.
            dtype: of actions.
            parameters: what the subclass was made of, as `tfd.Distribution` wants it.
            name: of its operations.
        """
        self._numbers, self._event_ndims = numbers, event_ndims
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self._numbers.shape[: -1 - self._event_ndims]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._numbers)[: -1 - self._event_ndims]

    def _event_shape(self) -> tf.TensorShape:
        return self._numbers.shape[-1 - self._event_ndims : -1]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._numbers)[-1 - self._event_ndims : -1]


class IndependentChoices(FiniteDistribution):
    """Choices that do not depend on one another: actions are int32, [B] or [B, K], from 0 on."""

    def __init__(
        self,
        log_probs: tf.Tensor,
        *,
        event_ndims: int,
        dtype: tf.DType = tf.int32,
        parameters: Mapping[str, Any],
        name: str,
    ):
        """Makes it from the logarithms of probabilities; see the base class for the rest."""
        self._log_probs = log_probs
        super().__init__(
            log_probs, event_ndims=event_ndims, dtype=dtype, parameters=parameters, name=name
        )

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        return tfd.Categorical(logits=self._log_probs).sample(n, seed=seed)

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        # One-hot products: their dense gradient is faster than the scatter of a gather.
        chosen = tf.one_hot(action, self._log_probs.shape[-1], dtype=self._log_probs.dtype)
        return self._sum(chosen * self._log_probs)

    def _entropy(self) -> tf.Tensor:
        return -self._sum(tf.exp(self._log_probs) * self._log_probs)

    def _mode(self) -> tf.Tensor:
        return tf.argmax(self._log_probs, axis=-1, output_type=tf.int32)

    def _sum(self, numbers: tf.Tensor) -> tf.Tensor:
        """Over all values of all choices."""
        return tf.reduce_sum(numbers, axis=list(range(-1 - self._event_ndims, 0)))
