"""The actions that V(s) is a mean over: the proposals q of Haarnoja et al. (2017), Eq. 10."""

from __future__ import annotations

import math

import tensorflow as tf

from quinoa.agents.policies import SamplerPolicy, squash
from quinoa.agents.types import Seed


def uniform(
    num_states: tf.Tensor | int, number: int, action_size: int, seed: Seed
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws from the uniform distribution on the box.

    Args:
        num_states: B.
        number: N, how many in each state.
        action_size: A.
        seed: int32 [2].

    Returns:
        The actions, float32 [B, N, A], and log q(a) of each, float32 [B, N].
    """
    action = tf.random.stateless_uniform([num_states, number, action_size], seed, -1.0, 1.0)
    return action, tf.fill([num_states, number], -action_size * math.log(2.0))


def sampled(
    policy: SamplerPolicy, observation: tf.Tensor, number: int, seed: Seed
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws from the sampler, whose density on the box is Eq. 33 over the slope of tanh.

    Args:
        policy: the sampler.
        observation: float32 [B, O].
        number: N, how many in each state.
        seed: int32 [2].

    Returns:
        The actions, float32 [B, N, A], and log q(a) of each, float32 [B, N].
    """
    y, log_prob = policy.sample_and_log_prob(observation, number, seed)
    return squash.tanh(y), log_prob - tf.reduce_sum(squash.log_slope(y), axis=-1)
