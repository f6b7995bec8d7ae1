"""SAC's policy and its critics."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.agents.protocol import Policy
from quinoa.agents.sac.config import Config


def make_policy(config: Config, observation_size: int, action_size: int) -> Policy:
    """Makes π for observations [B, O] and actions [B, A]."""
    return TanhGaussianPolicy(
        observation_size,
        action_size,
        hidden_sizes=config.hidden_sizes,
        layer_norm=config.layer_norm,
        residual=config.network == "simba",
    )


class TwinActionValues(snt.Module):
    """Two networks Q_i(s, a) that differ in nothing but where they start."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_sizes: Sequence[int],
        *,
        layer_norm: LayerNorm = False,
        residual: bool = False,
        name: str = "critics",
    ):
        """Makes both for observations [B, observation_size] and actions [B, action_size].

        Of `layer_norm` and `residual` see `networks.mlp`.
        """
        super().__init__(name=name)
        self._twins = [
            networks.ActionValue(
                observation_size,
                action_size,
                hidden_sizes,
                layer_norm=layer_norm,
                residual=residual,
                name=f"critic_{i}",
            )
            for i in range(2)
        ]

    def __call__(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Returns Q_1 and Q_2, float32 [2, B]."""
        return tf.stack([q(observation, action) for q in self._twins])
