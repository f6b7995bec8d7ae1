"""MEow's flow, the deviations in it that a target follows, and its two shifts."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from quinoa.agents import networks
from quinoa.agents.config import LayerNorm
from quinoa.agents.meow.config import Config
from quinoa.agents.policies.couplings import Additive
from quinoa.agents.policies.gaussian_flow import GaussianFlowPolicy, LogStddev


def make_log_stddev(config: Config, observation_size: int, action_size: int) -> LogStddev:
    """Makes log σ(s), for observations [B, O] and actions [B, A]."""
    return LogStddev(
        observation_size,
        action_size,
        hidden_sizes=config.stddev_hidden_sizes,
        bounds=(config.min_log_stddev, config.max_log_stddev),
    )


def make_policy(config: Config, observation_size: int, action_size: int) -> GaussianFlowPolicy:
    """Makes the flow, for observations [B, O] and actions [B, A]."""
    return GaussianFlowPolicy(
        observation_size,
        action_size,
        couplings=Additive(max_shift=config.max_shift),
        num_couplings=config.num_couplings,
        hidden_sizes=config.coupling_hidden_sizes,
        layer_norm=config.layer_norm,
        log_stddev=make_log_stddev(config, observation_size, action_size),
    )


class TwinShifts(snt.Module):
    """b_1(s) and b_2(s), both 0 at the start; their hidden layers differ, so they part."""

    def __init__(
        self,
        observation_size: int,
        hidden_sizes: Sequence[int],
        *,
        layer_norm: LayerNorm = False,
        name: str = "shifts",
    ):
        """Makes both for observations [B, observation_size]; see `networks.Value`."""
        super().__init__(name=name)
        self._twins = [
            networks.Value(observation_size, hidden_sizes, layer_norm=layer_norm, name=f"shift_{i}")
            for i in range(2)
        ]

    def __call__(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns float32 [2, B] for observations, float32 [B, O]."""
        return tf.stack([shift(observation) for shift in self._twins])
