"""The ε-greedy policy: the action of the highest Q, and now and then any of a finite set."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from quinoa.agents.numpy_form import NumpyForm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.policies.finite_distributions import IndependentChoices
from quinoa.agents.policies.finite_policy import FinitePolicy


class EpsilonGreedy(IndependentChoices):
    """π(a) = ε / n + (1 − ε) [a = argmax Q] on n actions; event shape [], int32.

    Its mode is argmax Q even where ε is 1 and all actions are equally probable. Of several actions
    with the highest Q, the first one counts.
    """

    def __init__(self, q: tf.Tensor, epsilon: tf.Tensor, name: str = "EpsilonGreedy"):
        """Makes the distribution.

        Args:
            q: Q(s, ·), float32 [B, n].
            epsilon: ε, float32 [1], in (0, 1].
            name: of the operations.
        """
        parameters = dict(locals())
        number = q.shape[-1]
        self._best = tf.argmax(q, axis=-1, output_type=tf.int32)
        is_best = tf.one_hot(self._best, number, on_value=True, off_value=False)
        of_each = epsilon / float(number)
        log_probs = tf.where(is_best, tf.math.log(1.0 - epsilon + of_each), tf.math.log(of_each))
        super().__init__(log_probs, event_ndims=0, parameters=parameters, name=name)

    def _mode(self) -> tf.Tensor:
        return self._best


class EpsilonGreedyPolicy(FinitePolicy):
    """An `EpsilonGreedy` in the Q(s, ·) that a ReLU network gives.

    Attributes:
        epsilon: ε, float32 [1]. No gradient moves it, but it is a variable of the policy, so actors
            get it with the parameters whenever the agent assigns another in `after_step`.
    """

    def __init__(
        self,
        observations: ObservationSet | int,
        number: int,
        *,
        epsilon: float,
        **settings: Any,
    ):
        """Makes the policy, and creates its variables.

        Args:
            observations: of the environment; a number O stands for vectors [O].
            number: n, the actions of the set.
            epsilon: ε at the start, in (0, 1].
            **settings: see `FinitePolicy`.
        """
        super().__init__(observations, number, **settings)
        self.epsilon = tf.Variable([epsilon], dtype=tf.float32, trainable=False, name="epsilon")

    def scheduled(self) -> Collection[tf.Variable]:
        """See the base class."""
        return (self.epsilon,)

    def numpy_form(self) -> NumpyForm:
        """See the base class."""
        return self._form("epsilon_greedy")._replace(vectors={"epsilon": self.epsilon})

    def q(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns Q(s, ·), float32 [B, n], for observations, [B, O] or [B, H, W, C]."""
        return self._network(observation)

    def __call__(self, observation: tf.Tensor) -> EpsilonGreedy:
        """See the base class."""
        return EpsilonGreedy(self.q(observation), self.epsilon)
