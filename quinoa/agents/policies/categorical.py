"""The categorical policy: one softmax over a finite set of actions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from quinoa.agents import networks
from quinoa.agents.config import Convolutions
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.protocol import Policy


class CategoricalPolicy(Policy):
    """π(·|s) = softmax(F(s)), where F is a network with one output for each action."""

    def __init__(
        self,
        observations: ObservationSet | int,
        number: int,
        *,
        hidden_sizes: Sequence[int],
        layer_norm: bool = False,
        residual: bool = False,
        convolutions: Convolutions = "auto",
        name: str = "policy",
    ):
        """Makes the policy, and creates its variables.

        Args:
            observations: of the environment; a number O stands for vectors [O].
            number: n, the actions of the set.
            hidden_sizes: the hidden layers of its network.
            layer_norm: see `networks.of_observations`.
            residual: likewise.
            convolutions: the layers that read images, where observations are images.
            name: the module's name.
        """
        super().__init__(name=name)
        self._layer_norm = layer_norm
        self._network = networks.of_observations(
            observations,
            [*hidden_sizes, number],
            layer_norm=layer_norm,
            residual=residual,
            convolutions=convolutions,
            name="network",
        )

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        settings = {
            "layer_norm": np.array(self._layer_norm),
            "kind": np.array("categorical"),
            **networks.settings_of(self._network),
        }
        return NumpyForm(settings, {"network": networks.layers_of(self._network)})

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
