"""Smoothie's policy, which says of each action how probable it was where a weight needs that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.policies import SharedVariancePolicy, squash
from quinoa.agents.smoothie.config import Config

# Among the extras of a transition: log q(ỹ|s) of Eq. 18.
LOG_DENSITY = "log_density"


class RecordingPolicy(SharedVariancePolicy):
    """The same policy, that adds the density of y = atanh(a) to each transition."""

    def extras(self, distribution: Any, action: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """See `Policy.extras`."""
        log_slope = tf.reduce_sum(squash.log_slope(squash.atanh(action)), axis=-1)
        return {LOG_DENSITY: distribution.log_prob(action) + log_slope}

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        return super().numpy_form()


def make_policy(config: Config, observation_size: int, action_size: int) -> SharedVariancePolicy:
    """Makes the policy that a configuration describes.

    Args:
        config: of the agent.
        observation_size: O.
        action_size: A.
    """
    policy_class = RecordingPolicy if config.max_importance_weight else SharedVariancePolicy
    return policy_class(
        observation_size,
        action_size,
        hidden_sizes=config.hidden_sizes,
        initial_stddev=config.initial_stddev,
    )
