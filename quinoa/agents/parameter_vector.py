"""A policy's parameters as one vector: how they travel from the learner to the actors."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf


def fingerprint(parameters: npt.NDArray[np.float32]) -> int:
    """A number that other parameters, float32 [P], hardly ever have, from 0 to 2³² − 1."""
    return zlib.crc32(parameters.tobytes())


def flatten(policy: tf.Module) -> npt.NDArray[np.float32]:
    """Returns a policy's variables as one vector, float32 [P]."""
    return joined(policy.variables)


def joined(variables: Sequence[tf.Variable]) -> npt.NDArray[np.float32]:
    """Returns variables of float32 as one vector, in their order."""
    return np.concatenate([variable.numpy().ravel() for variable in variables])


class Joined:
    """Gives what `joined` does, again and again, by one call of TensorFlow rather than many."""

    def __init__(self, variables: Sequence[tf.Variable]):
        """Takes the variables, of float32."""
        self._variables = variables
        self._in_graph: Callable[[], tf.Tensor] | None = None

    def __call__(self) -> npt.NDArray[np.float32]:
        """The variables as one vector, float32 [P], which is the caller's; traced at the second."""
        import tensorflow as tf

        if self._in_graph is not None:
            vector: npt.NDArray[np.float32] = self._in_graph().numpy()
            return vector
        # For who asks once, tracing would take far longer than it saves.
        self._in_graph = tf.function(
            lambda: tf.concat([tf.reshape(v, [-1]) for v in self._variables], axis=0),
            autograph=False,
        )
        return joined(self._variables)


def unflatten(policy: tf.Module, parameters: npt.NDArray[np.float32]) -> None:
    """Sets a policy's variables from what `flatten` gave, float32 [P].

    Raises:
        ValueError: the vector has another size than the policy.
    """
    sizes = [int(np.prod(variable.shape)) for variable in policy.variables]
    check_size(parameters, sum(sizes))
    parts = np.split(parameters, np.cumsum(sizes)[:-1])
    for variable, part in zip(policy.variables, parts, strict=True):
        variable.assign(part.reshape(variable.shape))


def check_size(parameters: npt.NDArray[np.float32], size: int) -> None:
    """Raises `ValueError` unless a vector of parameters has as many numbers as a policy."""
    if parameters.shape != (size,):
        raise ValueError(
            f"The parameters have shape {parameters.shape}, but this policy has {size}: they "
            "come from another agent, configuration or environment."
        )
