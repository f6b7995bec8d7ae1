"""Whether variables are finite, asked of all of them in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


class FinitenessCheck:
    """Looks for NaN and infinities in variables; its graph is traced at the second look."""

    def __init__(self, variables: Sequence[tf.Variable], *, jit_compile: bool):
        """Takes the variables, of floating-point numbers; `jit_compile` is as in `Learner`."""
        self._variables = variables
        self._jit_compile = jit_compile
        self._which_are_finite: Callable[[], tf.Tensor] | None = None

    def not_finite(self) -> list[str]:
        """Names the variables with NaN or an infinity in them."""
        if self._which_are_finite is None:
            # For who asks once, tracing would take far longer than it saves.
            is_finite = self._finite().numpy()
            self._which_are_finite = tf.function(
                self._finite, autograph=False, jit_compile=self._jit_compile
            )
        else:
            is_finite = self._which_are_finite().numpy()
        return [
            variable.name.partition(":")[0]
            for variable, good in zip(self._variables, is_finite, strict=True)
            if not good
        ]

    def _finite(self) -> tf.Tensor:
        return tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in self._variables])
