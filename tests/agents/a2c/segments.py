"""Segments in time order, and what A2C makes of them, by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from acme import specs
from scipy import special

from quinoa.agents import networks
from quinoa.agents.types import Transition
from quinoa.launch.checks.subject import random_transitions

Array = Any


def consecutive(spec: specs.EnvironmentSpec, number: int, length: int, seed: int = 0) -> Transition:
    """S segments of L random transitions, NumPy arrays [S, L, ...]: each leads to the next.

    Some episodes end within a segment: half of those by a time limit, where the discount stays 1.
    """
    rng = np.random.default_rng(seed)
    batch = random_transitions(spec, number, length, seed=seed)
    last = rng.uniform(size=(number, length)) < 0.2
    is_terminal = last & (rng.uniform(size=last.shape) < 0.5)
    next_observation = np.array(batch.next_observation)
    follows = ~last[:, :-1]
    next_observation[:, :-1][follows] = batch.observation[:, 1:][follows]
    return batch._replace(
        next_observation=next_observation,
        discount=1.0 - is_terminal.astype(np.float32),
        last=last,
    )


def outputs(network: Any, states: Array, *, hidden: bool = False) -> Array:
    """What a ReLU network gives in float64, [..., n]; or its last hidden layer."""
    x, layers = np.asarray(states, np.float64), networks.layers_of(network)
    for index, layer in enumerate(layers):
        x = np.maximum(x, 0.0) if index else x
        if hidden and index == len(layers) - 1:
            return x
        x = x @ layer.weights.numpy() + layer.biases.numpy()
    return x


class ByHand(NamedTuple):
    """Of a finite set of actions, float64 [S, L] each; `log_policy` is [S, L, n]."""

    log_policy: Array
    log_prob: Array
    entropy: Array
    value: Array
    advantage: Array


def evaluate(agent: Any, transitions: Transition) -> ByHand:
    """Evaluates an agent's own networks on segments, with the sum of Eq. 52 as it is written."""
    config, (s, a, r, d, next_s, last, _) = agent._config, transitions
    log_policy = special.log_softmax(outputs(agent.policy._network, s), axis=-1)
    log_prob = np.take_along_axis(log_policy, a[..., None], axis=-1)[..., 0]
    entropy = -np.sum(np.exp(log_policy) * log_policy, axis=-1)

    def value_of(states: Array) -> Array:
        if config.shared_trunk:
            states = outputs(agent.policy._network, states, hidden=True)
        return outputs(agent._value._network, states)[..., 0]

    bonus = {
        "standard": 0.0 * entropy,
        "entropy": config.tau * entropy,
        "kl": config.tau * (entropy - np.log(log_policy.shape[-1])),
    }[config.returns]
    value, next_value = value_of(s), value_of(next_s)
    advantage = np.zeros_like(value)
    for segment in range(len(r)):
        for t in range(config.segment_length):
            total, weight = 0.0, 1.0
            for i in range(t, config.segment_length):
                total += weight * (r + bonus)[segment, i]
                weight *= config.discount * d[segment, i]
                if last[segment, i]:
                    break
            advantage[segment, t] = total + weight * next_value[segment, i] - value[segment, t]
    return ByHand(log_policy, log_prob, entropy, value, advantage)
