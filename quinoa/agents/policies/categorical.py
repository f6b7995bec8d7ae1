"""The categorical policy: one softmax over a finite set of actions."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.policies.finite_policy import FinitePolicy


class CategoricalPolicy(FinitePolicy):
    """π(·|s) = softmax(F(s)), where F is a network with one output for each action."""

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        return self._form("categorical")

    def _distribution(self, logits: tf.Tensor) -> tfd.Distribution:
        return tfd.Categorical(logits=logits)

    def __call__(self, observation: tf.Tensor) -> tfd.Distribution:
        """See the base class."""
        return self._distribution(self._network(observation))

    def with_features(self, observation: tf.Tensor) -> tuple[tfd.Distribution, tf.Tensor]:
        """What calling the policy returns, and its network's last hidden layer, float32 [B, H]."""
        outputs, features = networks.with_features(
            self._network, observation, layer_norm=self._layer_norm
        )
        return self._distribution(outputs), features
