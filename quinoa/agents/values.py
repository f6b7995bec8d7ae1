"""Several networks V of which the least is taken.

As in clipped double Q-learning (Fujimoto, van Hoof & Meger, 2018, Eq. 10), where the least of two
critics keeps errors of one from being maximised over. Of values it is in no paper of IQ or Quinoa;
MEow has it (Chao et al., 2024, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def stacked(observation: tf.Tensor, *values: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """V_i(s), float32 [N, B], of N networks for observations, float32 [B, O].

    Of functions that give float32 [B, K], as the logits of categorical values, it is [N, B, K].
    """
    return tf.stack([value(observation) for value in values])


def least(values: tf.Tensor) -> tf.Tensor:
    """min_i V_i(s), float32 [B], of float32 [N, B]."""
    return tf.reduce_min(values, axis=0)


def variables_of(*modules: tf.Module) -> tuple[tf.Variable, ...]:
    """The trainable variables of modules, in their order."""
    return tuple(variable for module in modules for variable in module.trainable_variables)
