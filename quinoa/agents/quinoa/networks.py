"""Quinoa's value network, with weight normalisation.

Its policy is in `quinoa.agents.policies.flow`.
"""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from quinoa.agents import weight_norm


class Value(snt.Module):
    """V(s), zero at the start."""

    def __init__(self, observation_size: int, hidden_sizes: Sequence[int], name: str = "value"):
        """Makes the network for observations [B, observation_size]."""
        super().__init__(name=name)
        # The output is not normalised: V must grow to the scale of returns, and one g that grows
        # by the learning rate a step would take tens of thousands of steps.
        self._network = weight_norm.WeightNormMLP(
            observation_size, [*hidden_sizes, 1], normalize_output=False, name="network"
        )

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns V, float32 [B], for observations, float32 [B, O]."""
        return tf.squeeze(self._network(observation), axis=-1)

    def initialize(self, observation: tf.Tensor) -> None:
        """Data-dependent initialisation from a first batch, float32 [B, O]."""
        self._network.initialize(observation)
