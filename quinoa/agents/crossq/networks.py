"""CrossQ's policy and its critics."""

from __future__ import annotations

from collections.abc import Sequence

import sonnet as snt
import tensorflow as tf

from quinoa.agents.batch_norm import BatchNormMLP, Moments
from quinoa.agents.crossq.config import Config
from quinoa.agents.policies import BatchNormGaussianPolicy


def make_policy(config: Config, observation_size: int, action_size: int) -> BatchNormGaussianPolicy:
    """Makes π for observations [B, O] and actions [B, A]."""
    return BatchNormGaussianPolicy(observation_size, action_size, hidden_sizes=config.hidden_sizes)


class TwinActionValues(snt.Module):
    """Two batch-renormalised networks Q_i(s, a) that differ in nothing but where they start."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden_sizes: Sequence[int],
        name: str = "critics",
    ):
        """Makes both for observations [B, observation_size] and actions [B, action_size]."""
        super().__init__(name=name)
        sizes = [*hidden_sizes, 1]
        self._twins = [
            BatchNormMLP(observation_size + action_size, sizes, name=f"critic_{i}")
            for i in range(2)
        ]

    def __call__(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """Returns Q_1 and Q_2, float32 [2, B], by the running statistics."""
        inputs = tf.concat([observation, action], axis=-1)
        return tf.stack([tf.squeeze(q(inputs), axis=-1) for q in self._twins])

    def joint(
        self,
        observation: tf.Tensor,
        action: tf.Tensor,
        next_observation: tf.Tensor,
        next_action: tf.Tensor,
        share: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, list[list[Moments]]]:
        """Takes (s, a) and (s', a') through each critic in one batch, by that batch's statistics.

        Each half alone would be normalised by the statistics of its own actions, which come from
        replay in one and from the policy in the other (section 3.2 of the paper).

        Args:
            observation: s, float32 [B, O].
            action: a, float32 [B, A].
            next_observation: s', float32 [B, O].
            next_action: a', float32 [B, A].
            share: see `quinoa.agents.batch_norm.batch_renorm`.

        Returns:
            Q_i(s, a) and Q_i(s', a'), float32 [2, B], and the moments that `follow` takes.
        """
        here = tf.concat([observation, action], axis=-1)
        there = tf.concat([next_observation, next_action], axis=-1)
        inputs = tf.concat([here, there], axis=0)
        passes = [q.in_training(inputs, share) for q in self._twins]
        both = tf.stack([tf.squeeze(outputs, axis=-1) for outputs, _ in passes])
        q, next_q = tf.split(both, 2, axis=1)
        return q, next_q, [moments for _, moments in passes]

    def follow(self, moments: Sequence[Sequence[Moments]], rate: float) -> None:
        """Moves the running statistics by `rate` of the way to what `joint` has found."""
        for network, found in zip(self._twins, moments):  # noqa: B905 - AutoGraph has no strict
            network.follow(found, rate)
