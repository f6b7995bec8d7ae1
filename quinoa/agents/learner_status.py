"""What is asked of a learner after each call: its counts, and whether its variables are finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


class LearnerStatus:
    """The number of steps, of those skipped, and whether all variables are finite.

    The graph of the gradient steps computes all three, as one tensor: to read variables afterwards
    takes as long as a gradient step of a small network.
    """

    def __init__(
        self,
        steps: tf.Variable,
        skipped: tf.Variable,
        variables: Sequence[tf.Variable],
        *,
        jit_compile: bool,
    ):
        """Takes the two counts, int64 [], and the variables, of floating-point numbers.

        `jit_compile` is as in `Learner`.
        """
        self._steps, self._skipped, self._variables = steps, skipped, variables
        self._jit_compile = jit_compile
        self._which_are_finite: Callable[[], tf.Tensor] | None = None
        self._last: tf.Tensor | None = None

    def in_graph(self) -> tf.Tensor:
        """What `keep` takes, int64 [3], as of now."""
        is_finite = tf.cast(tf.reduce_all(self._finite()), tf.int64)
        return tf.stack([self._steps, self._skipped, is_finite])

    def keep(self, last: tf.Tensor) -> None:
        """Takes what the graph has computed; it is not waited for until it is asked for."""
        self._last = last

    def forget(self) -> None:
        """Has the variables read again, which something else than the graph has set."""
        self._last = None

    @property
    def steps(self) -> int:
        """The number of gradient steps, those skipped included."""
        return int(self._steps.numpy() if self._last is None else self._last.numpy()[0])

    @property
    def skipped(self) -> int:
        """The number of those skipped."""
        return int(self._skipped.numpy() if self._last is None else self._last.numpy()[1])

    @property
    def is_finite(self) -> bool:
        """Whether all variables are."""
        return not self.not_finite() if self._last is None else bool(self._last.numpy()[2])

    def not_finite(self) -> list[str]:
        """Names the variables with NaN or an infinity in them now; traced at the second look."""
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
