"""The policy over several choices at once: an independent softmax for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.actions import FiniteProduct, FiniteSet
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.policies.categorical import CategoricalPolicy
from quinoa.agents.policies.finite_distributions import IndependentChoices

# In place of the logits of values that a choice does not have: its exponential is 0 in float32, and
# its product with that is 0, where minus infinity would give NaN.
_NONE = -1e9


class ProductCategorical(IndependentChoices):
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
        log_probs = tf.nn.log_softmax(tf.gather(padded, _places(numbers), axis=-1))
        super().__init__(log_probs, event_ndims=1, parameters=parameters, name=name)


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
            **settings: see `FinitePolicy`.
        """
        super().__init__(observations, sum(numbers), **settings)
        self._numbers = tuple(numbers)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        form = self._form("product_categorical")
        return form._replace(settings={**form.settings, "places": _places(self._numbers)})

    def _distribution(self, logits: tf.Tensor) -> ProductCategorical:
        return ProductCategorical(logits, self._numbers)


def categorical_policy(
    observations: ObservationSet | int, actions: FiniteSet | FiniteProduct, **settings: Any
) -> CategoricalPolicy:
    """Makes the policy with a softmax for each choice: of a finite set, or of a product of them.

    Args:
        observations: of the environment; a number O stands for vectors [O].
        actions: a `FiniteSet` or a `FiniteProduct`.
        **settings: see `FinitePolicy`.
    """
    if isinstance(actions, FiniteProduct):
        return ProductCategoricalPolicy(observations, actions.numbers, **settings)
    return CategoricalPolicy(observations, actions.number, **settings)
