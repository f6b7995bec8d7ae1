"""The multicategorical policy: one softmax over n bins for each action dimension.

IQ paper, section 4: π(a|s) = Π_j softmax(F_j(·|s))(a_j), each dimension discretised uniformly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.policies.config import DeterministicAction
from quinoa.agents.policies.deterministic import deterministic, deterministic_settings
from quinoa.agents.policies.finite_distributions import IndependentChoices
from quinoa.agents.protocol import Policy


class MultiCategorical(IndependentChoices):
    """Independent categoricals over the bins δ_j = -1 + 2j / (n - 1), j = 0 … n - 1.

    Event shape [A]; a probability mass, not a density: `log_prob` is at most 0.
    """

    def __init__(self, logits: tf.Tensor, name: str = "MultiCategorical"):
        """Makes the distribution from logits, float32 [B, A, n]; raises `ValueError` for n < 2."""
        parameters = dict(locals())
        check_num_bins(logits.shape[-1])
        super().__init__(
            tf.nn.log_softmax(logits),
            event_ndims=1,
            dtype=logits.dtype,
            parameters=parameters,
            name=name,
        )

    @property
    def num_bins(self) -> int:
        """The number n of bins in each dimension."""
        return int(self._log_probs.shape[-1])

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        return to_action(super()._sample_n(n, seed), self.num_bins)

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        return super()._log_prob(to_bin(action, self.num_bins))

    def _mode(self) -> tf.Tensor:
        return to_action(super()._mode(), self.num_bins)

    def _mean(self) -> tf.Tensor:
        return mean_action(self._log_probs)


def to_action(bins: tf.Tensor, num_bins: int) -> tf.Tensor:
    """The actions, float32, of bins from 0, integers, of the same shape."""
    return -1.0 + tf.cast(bins, tf.float32) * (2.0 / (num_bins - 1))


def mean_action(log_probs: tf.Tensor) -> tf.Tensor:
    """Σ_j p_j δ_j, float32 [...], of log p, float32 [..., n]."""
    number = int(log_probs.shape[-1])
    return tf.linalg.matvec(tf.exp(log_probs), to_action(tf.range(number), number))


def to_bin(action: tf.Tensor, num_bins: int) -> tf.Tensor:
    """The nearest bins, int32, so that rounding errors of stored actions do not matter."""
    position = (action + 1.0) * (0.5 * (num_bins - 1))
    return tf.clip_by_value(tf.cast(tf.round(position), tf.int32), 0, num_bins - 1)


def check_num_bins(num_bins: int) -> None:
    """Raises `ValueError` where there are fewer than two bins."""
    if num_bins < 2:
        raise ValueError(
            f"num_bins is {num_bins}, but must be at least 2: a dimension's bins go from -1 to 1."
        )


class MultiCategoricalPolicy(Policy):
    """A `MultiCategorical` whose logits are the outputs of a ReLU network."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        num_bins: int,
        layer_norm: LayerNorm = False,
        residual: bool = False,
        deterministic_action: DeterministicAction = "mode",
        name: str = "policy",
    ):
        """Makes the policy for observations [B, observation_size], and creates its variables.

        Args:
            observation_size: O.
            action_size: A.
            hidden_sizes: the hidden layers of its network.
            num_bins: n, the bins in each action dimension.
            layer_norm: see `networks.mlp`.
            residual: likewise.
            deterministic_action: what it does where it does not sample.
            name: the module's name.

        Raises:
            ValueError: there are fewer than two bins.
        """
        super().__init__(name=name)
        self._layer_norm, self._deterministic_action = layer_norm, deterministic_action
        check_num_bins(num_bins)
        self._logits_shape = [-1, action_size, num_bins]
        self._network = networks.mlp(
            observation_size,
            [*hidden_sizes, action_size * num_bins],
            layer_norm=layer_norm,
            residual=residual,
            name="network",
        )

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        _, action_size, num_bins = self._logits_shape
        settings = {
            "kind": np.array("multicategorical"),
            "action_size": np.array(action_size),
            "num_bins": np.array(num_bins),
            **deterministic_settings(self._deterministic_action),
            **networks.settings_of(self._network, layer_norm=self._layer_norm),
        }
        return NumpyForm(settings, {"network": networks.layers_of(self._network)})

    def __call__(self, observation: tf.Tensor) -> MultiCategorical:
        """See the base class."""
        return MultiCategorical(tf.reshape(self._network(observation), self._logits_shape))

    def deterministic_action(self, distribution: Any) -> tf.Tensor:
        """See the base class."""
        return deterministic(distribution, self._deterministic_action)
