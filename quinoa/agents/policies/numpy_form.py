"""Policies as named NumPy arrays, which `quinoa.agents.policies.standalone` acts with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def layers(
    prefix: str, pairs: Sequence[tuple[tf.Tensor, tf.Tensor]]
) -> dict[str, npt.NDArray[np.float32]]:
    """A network's weights and biases under names of their own, in order."""
    named = {}
    for index, (weights, biases) in enumerate(pairs):
        named[f"{prefix}.{index}.w"] = weights.numpy()
        named[f"{prefix}.{index}.b"] = biases.numpy()
    return named
