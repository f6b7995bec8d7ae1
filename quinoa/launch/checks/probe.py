"""The gradients that an agent's losses have on batches of one's choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.types import Transition
from quinoa.launch.checks.subject import SEED, AgentSubject, tensors

Vector = npt.NDArray[np.float64]

# How far variables are moved from where they start, where networks that begin as zero say nothing.
_NOISE = 0.3


class Probe:
    """An agent as it might be after some learning, which stays as it is."""

    def __init__(self, subject: AgentSubject, config: Any = None):
        """Makes the agent.

        Args:
            subject: what is checked.
            config: settings in place of the subject's.
        """
        self.agent = subject.make_agent(config)
        self._groups = list(self.agent.parameter_groups())
        self.losses = tuple(dict.fromkeys(group.loss for group in self._groups))
        self.agent.initialize(tensors(subject.batches()))
        for index, variable in enumerate(self.agent.variables):
            # Matrices are a network's; what else is not trained may be a temperature or a count.
            is_network = variable.trainable or len(variable.shape) > 1
            if variable.dtype.is_floating and is_network:
                noise = tf.random.stateless_normal(
                    variable.shape, [index, subject.seed], dtype=variable.dtype
                )
                # So that what a layer gives stays of the same size.
                inputs = variable.shape[0] if len(variable.shape) > 1 else 1
                variable.assign_add(_NOISE * inputs**-0.5 * noise)

    def gradients(self, batch: Transition) -> dict[str, Vector]:
        """The gradient of each loss by the variables that it trains, flat, by the loss's name.

        Args:
            batch: a batch of leading shape [B], numpy arrays.
        """
        with tf.GradientTape(persistent=len(self.losses) > 1) as tape:
            losses = self.agent.losses(tensors(batch), tf.constant(SEED))
        return {name: self._flat(tape, losses[name], name) for name in self.losses}

    def _flat(self, tape: tf.GradientTape, loss: tf.Tensor, name: str) -> Vector:
        variables = [v for group in self._groups if group.loss == name for v in group.variables]
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        parts = [np.ravel(tf.convert_to_tensor(gradient).numpy()) for gradient in gradients]
        flat: Vector = np.concatenate(parts).astype(np.float64)
        return flat


def mixed(chosen: npt.NDArray[np.bool_], ones: Transition, others: Transition) -> Transition:
    """The transitions of `ones` where `chosen`, bool [B] or [S], and of `others` elsewhere."""

    def of_field(one: Any, other: Any) -> Any:
        shape = [-1] + [1] * (one.ndim - 1)
        return np.where(chosen.reshape(shape), one, other)

    mixture: Transition = tf.nest.map_structure(of_field, ones, others)
    return mixture
