"""What policies over finite sets have in common: a network with one output for each action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quinoa.agents import networks
from quinoa.agents.config import Convolutions, LayerNorm
from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.protocol import Policy


class FinitePolicy(Policy):
    """A policy that a ReLU network's outputs describe, one for each action."""

    def __init__(
        self,
        observations: ObservationSet | int,
        number: int,
        *,
        hidden_sizes: Sequence[int],
        layer_norm: LayerNorm = False,
        residual: bool = False,
        convolutions: Convolutions = "auto",
        name: str = "policy",
    ):
        """Makes the policy, and creates its variables.

        Args:
            observations: of the environment; a number O stands for vectors [O].
            number: n, the network's outputs.
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

    def _form(self, kind: str) -> NumpyForm:
        """The NumPy form of a kind, for `numpy_form`: each class defines its own (`own_form`)."""
        settings = {
            "kind": np.array(kind),
            **networks.settings_of(self._network, layer_norm=self._layer_norm),
        }
        return NumpyForm(settings, {"network": networks.layers_of(self._network)})
