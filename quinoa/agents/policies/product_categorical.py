"""The policy over several choices at once: an independent softmax for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks
from quinoa.agents.actions import FiniteProduct, FiniteSet
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.policies.categorical import CategoricalPolicy

# In place of the logits of values that a choice does not have: its exponential is 0 in float32, and
# its product with that is 0, where minus infinity would give NaN.
_NONE = -1e9


class ProductCategorical(tfd.Distribution):
    """π(a) = Π_k softmax(F_k)(a_k) on K choices, of n_k values each; event shape [K], int32."""

    def __init__(self, logits: tf.Tensor, numbers: Sequence[int], name: str = "ProductCategorical"):
        """Makes the distribution.

        Args:
            logits: F_1, ..., F_K, one after the other, float32 [B, n_1 + ... + n_K].
            numbers: n_1, ..., n_K.
            name: of the operations.
        """
        parameters = dict(locals())
        # One softmax for all choices, each padded to as many values as the largest has.
        padded = tf.pad(logits, [[0, 0], [0, 1]], constant_values=_NONE)
        self._log_probs = tf.nn.log_softmax(tf.gather(padded, _places(numbers), axis=-1))
        super().__init__(
            dtype=tf.int32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self._log_probs.shape[:-2]

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._log_probs)[:-2]

    def _event_shape(self) -> tf.TensorShape:
        return self._log_probs.shape[-2:-1]

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._log_probs)[-2:-1]

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        return tfd.Categorical(logits=self._log_probs).sample(n, seed=seed)

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        # One-hot products: their dense gradient is faster than the scatter of a gather.
        chosen = tf.one_hot(action, self._log_probs.shape[-1], dtype=tf.float32)
        return tf.reduce_sum(chosen * self._log_probs, axis=[-2, -1])

    def _entropy(self) -> tf.Tensor:
        return -tf.reduce_sum(tf.exp(self._log_probs) * self._log_probs, axis=[-2, -1])

    def _mode(self) -> tf.Tensor:
        return tf.argmax(self._log_probs, axis=-1, output_type=tf.int32)


def _places(numbers: Sequence[int]) -> npt.NDArray[np.int32]:
    """Where in the padded logits each choice's are, int32 [K, max n_k]: the last one is padding."""
    total = sum(numbers)
    places = np.full((len(numbers), max(numbers)), total, np.int32)
    start = 0
    for row, number in zip(places, numbers, strict=True):
        row[:number] = np.arange(start, start + number)
        start += number
    return places


class ProductCategoricalPolicy(CategoricalPolicy):
    """A `ProductCategorical` whose logits are the outputs of a ReLU network."""

    def __init__(self, observations: ObservationSet | int, numbers: Sequence[int], **settings: Any):
        """Makes the policy, and creates its variables.

        Args:
            observations: of the environment; a number O stands for vectors [O].
            numbers: n_1, ..., n_K, how many values each choice has.
            **settings: see `CategoricalPolicy`.
        """
        super().__init__(observations, sum(numbers), **settings)
        self._numbers = tuple(numbers)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = {
            "layer_norm": np.array(self._layer_norm),
            "kind": np.array("product_categorical"),
            "places": _places(self._numbers),
            **networks.settings_of(self._network),
        }
        return NumpyForm(settings, {"network": networks.layers_of(self._network)})

    def _distribution(self, logits: tf.Tensor) -> ProductCategorical:
        return ProductCategorical(logits, self._numbers)


def categorical_policy(
    observations: ObservationSet | int, actions: FiniteSet | FiniteProduct, **settings: Any
) -> CategoricalPolicy:
    """Makes the policy with a softmax for each choice: of a finite set, or of a product of them.

    Args:
        observations: of the environment; a number O stands for vectors [O].
        actions: a `FiniteSet` or a `FiniteProduct`.
        **settings: see `CategoricalPolicy`.
    """
    if isinstance(actions, FiniteProduct):
        return ProductCategoricalPolicy(observations, actions.numbers, **settings)
    return CategoricalPolicy(observations, actions.number, **settings)
