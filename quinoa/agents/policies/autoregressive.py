"""A multicategorical policy whose dimensions depend on one another, each on those before it.

π(a|s) = Π_j softmax(F_j(·|s, a_1, …, a_{j−1}))(a_j), which the IQ paper, section 4, leaves for
future work, by one masked network for all dimensions (Germain, Gregor, Murray & Larochelle, 2015,
"MADE: Masked Autoencoder for Distribution Estimation", section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from quinoa.agents import activations, networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.numpy_form import Layer, NumpyForm
from quinoa.agents.policies.config import DeterministicAction
from quinoa.agents.policies.deterministic import deterministic, deterministic_settings
from quinoa.agents.policies.finite_distributions import FiniteDistribution
from quinoa.agents.policies.multicategorical import (
    check_num_bins,
    mean_action,
    to_action,
    to_bin,
)
from quinoa.agents.protocol import Policy

# From a dimension and logits, float32 [..., n], to bins, int32 [...].
Choose = Callable[[int, tf.Tensor], tf.Tensor]


class Autoregressive(FiniteDistribution):
    """Categoricals over the bins of `MultiCategorical`, each given the bins before it.

    The logits of dimension j are

        F_j(·|s, a) = g_j(s) + Σ_k [m_k ≤ j] w_{jk} max(c_k(s) + Σ_{i < m_k} e_{ik}(a_i), 0)

    for j from 0, where unit k has the degree m_k, and so sees the dimensions before m_k. Event
    shape [A]; a probability mass, not a density: `log_prob` is at most 0.
    """

    def __init__(
        self,
        logits: tf.Tensor,
        context: tf.Tensor,
        given: tf.Tensor,
        output: tf.Tensor,
        name: str = "Autoregressive",
    ):
        """Makes the distribution.

        Args:
            logits: g, float32 [B, A, n].
            context: c, float32 [B, K].
            given: e, float32 [A, n, K], masked: 0 where unit k does not see dimension i.
            output: w, float32 [K, A, n], masked: 0 where dimension j does not see unit k.
            name: the distribution's name.
        """
        parameters = dict(locals())
        self._logits, self._context, self._given, self._output = logits, context, given, output
        self._action_size, self._num_bins = int(logits.shape[-2]), int(logits.shape[-1])
        super().__init__(
            logits, event_ndims=1, dtype=logits.dtype, parameters=parameters, name=name
        )

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        size = self._action_size * self._num_bins
        one_hot = tf.one_hot(to_bin(action, self._num_bins), self._num_bins, dtype=self.dtype)
        flat = tf.concat([tf.shape(one_hot)[:-2], [size]], axis=0)
        seen = tf.tensordot(tf.reshape(one_hot, flat), tf.reshape(self._given, [size, -1]), 1)
        units = activations.relu(self._context + seen)
        added = tf.tensordot(units, tf.reshape(self._output, [-1, size]), 1)
        logits = self._logits + tf.reshape(added, tf.shape(one_hot))
        return tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=[-2, -1])

    def _sample_n(self, n: int, seed: tf.Tensor | None = None) -> tf.Tensor:
        seeds = tfp.random.split_seed(tfp.random.sanitize_seed(seed), self._action_size)
        shape = tf.concat([[n], tf.shape(self._context)], axis=0)
        return self._in_order(
            tf.broadcast_to(self._context, shape),
            lambda j, logits: tfd.Categorical(logits=logits).sample(seed=seeds[j]),
        )

    def _mode(self) -> tf.Tensor:
        """The most probable bin of each dimension, given those so found before it.

        The most probable action of all may be another one, and only a search would find it.
        """
        return self._in_order(
            self._context,
            lambda j, logits: tf.argmax(logits, axis=-1, output_type=tf.int32),
        )

    def _mean(self) -> tf.Tensor:
        """The expected value of each dimension, given the most probable bins before it.

        The mean over all of them would need each of the n^A actions.
        """
        means: list[tf.Tensor] = []

        def most_probable(j: int, logits: tf.Tensor) -> tf.Tensor:
            del j
            means.append(mean_action(tf.nn.log_softmax(logits)))
            return tf.argmax(logits, axis=-1, output_type=tf.int32)

        self._in_order(self._context, most_probable)
        return tf.stack(means, axis=-1)

    def _in_order(self, inputs: tf.Tensor, choose: Choose) -> tf.Tensor:
        """Chooses the bins of one dimension after another; returns actions [..., B, A].

        Args:
            inputs: of the units before any action is known, float32 [..., B, K].
            choose: from a dimension and its logits, float32 [..., B, n], to bins, int32 [..., B].
        """
        bins = []
        for j in range(self._action_size):
            added = tf.tensordot(activations.relu(inputs), self._output[:, j], 1)
            bins.append(choose(j, self._logits[..., j, :] + added))
            inputs += tf.gather(self._given[j], bins[-1])
        return to_action(tf.stack(bins, axis=-1), self._num_bins)


def degrees(num_units: int, action_size: int) -> npt.NDArray[np.int64]:
    """m_k, int64 [K]: before which dimension each unit sees all, as many units for each.

    From 1 to A − 1: a unit that sees no dimension has nothing to add to g, and one that sees all
    is seen by none, as are all where there is one dimension.
    """
    return 1 + np.arange(num_units) % max(action_size - 1, 1)


class AutoregressivePolicy(Policy):
    """An `Autoregressive`, of which a ReLU network gives g and c.

    It starts as the `MultiCategoricalPolicy` of g, as w starts at 0.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_sizes: Sequence[int],
        num_bins: int,
        num_units: int,
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
            num_units: K.
            layer_norm: see `networks.mlp`, of the network that gives g and c.
            residual: likewise.
            deterministic_action: what it does where it does not sample.
            name: the module's name.

        Raises:
            ValueError: there are fewer than two bins.
        """
        super().__init__(name=name)
        check_num_bins(num_bins)
        self._layer_norm, self._deterministic_action = layer_norm, deterministic_action
        self._logits_shape = [-1, action_size, num_bins]
        self._num_units, size = num_units, action_size * num_bins
        self._network = networks.mlp(
            observation_size,
            [*hidden_sizes, size + num_units],
            layer_norm=layer_norm,
            residual=residual,
            name="network",
        )
        stddev = 1.0 / math.sqrt(action_size)
        given = tf.random.truncated_normal([size, num_units], stddev=stddev)
        self._given = tf.Variable(given, name="given")
        self._output = tf.Variable(tf.zeros([num_units, size]), name="output")
        # In the NumPy form a layer has biases. Those of the network's output do the same as these.
        self._no_biases = [
            tf.Variable(tf.zeros([count]), trainable=False, name="no_biases")
            for count in (num_units, size)
        ]
        degree = degrees(num_units, action_size)
        dimension = np.repeat(np.arange(action_size), num_bins)
        self._given_mask = (dimension[:, None] < degree).astype(np.float32)
        self._output_mask = (degree[:, None] <= dimension).astype(np.float32)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        _, action_size, num_bins = self._logits_shape
        settings = {
            "kind": np.array("autoregressive"),
            "action_size": np.array(action_size),
            "num_bins": np.array(num_bins),
            "given_mask": self._given_mask,
            "output_mask": self._output_mask,
            **deterministic_settings(self._deterministic_action),
            **networks.settings_of(self._network, layer_norm=self._layer_norm),
        }
        layers = {
            "network": networks.layers_of(self._network),
            "given": [Layer(self._given, self._no_biases[0])],
            "output": [Layer(self._output, self._no_biases[1])],
        }
        return NumpyForm(settings, layers)

    def __call__(self, observation: tf.Tensor) -> Autoregressive:
        """See the base class."""
        _, action_size, num_bins = self._logits_shape
        logits, context = tf.split(
            self._network(observation), [action_size * num_bins, self._num_units], axis=-1
        )
        return Autoregressive(
            tf.reshape(logits, self._logits_shape),
            context,
            tf.reshape(self._given * self._given_mask, [action_size, num_bins, -1]),
            tf.reshape(self._output * self._output_mask, [-1, action_size, num_bins]),
        )

    def deterministic_action(self, distribution: Any) -> tf.Tensor:
        """See the base class."""
        return deterministic(distribution, self._deterministic_action)
