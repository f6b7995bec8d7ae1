"""NAF's precision matrix."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf
import tensorflow_probability as tfp

from quinoa.agents import networks
from quinoa.agents.config import LayerNorm

# The logarithm of a diagonal element of L is within ± this, so that no exponential overflows. The
# curvature of Q is then from e⁻¹⁰ to e¹⁰.
_MAX_LOG = 5.0


class PrecisionFactor(snt.Module):
    """L(s) of P(s) = L Lᵀ: lower-triangular, its diagonal the exponential of what a network gives.

    P is near the identity at the start.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_sizes: Sequence[int],
        *,
        layer_norm: LayerNorm = False,
        name: str = "precision_factor",
    ):
        """Makes the network for observations [B, observation_size]; see `networks.mlp`."""
        super().__init__(name=name)
        sizes = [*hidden_sizes, action_size * (action_size + 1) // 2]
        self._network = networks.mlp(
            observation_size, sizes, layer_norm=layer_norm, zero_output=True, name="network"
        )

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns L, float32 [B, A, A], for observations, float32 [B, O]."""
        lower = tfp.math.fill_triangular(self._network(observation))
        log_diagonal = tf.linalg.diag_part(lower)
        bounded = _MAX_LOG * tf.tanh(log_diagonal / _MAX_LOG)
        return tf.linalg.set_diag(lower, tf.exp(bounded))
