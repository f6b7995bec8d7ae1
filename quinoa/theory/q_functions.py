"""Q-functions of parameters: what the theorem is to hold for, whatever they are.

Each is a callable from parameters θ [P] to Q_θ [S, A]. It is analytic, so `complex_step.jacobian`
gives its derivative [S, A, P].
"""

from __future__ import annotations

import dataclasses

import numpy as np

from quinoa.theory.complex_step import Array


@dataclasses.dataclass(frozen=True)
class Table:
    """Every Q(s, a) is a parameter of its own.

    Attributes:
        num_states: S.
        num_actions: A.
    """

    num_states: int
    num_actions: int

    @property
    def num_parameters(self) -> int:
        """P, which is S·A."""
        return self.num_states * self.num_actions

    def __call__(self, theta: Array) -> Array:
        """Q_θ [S, A] of parameters [P]."""
        return theta.reshape(self.num_states, self.num_actions)


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear function of features. With fewer of them than pairs, pairs share parameters.

    Attributes:
        features: float64 [S, A, P].
    """

    features: Array

    @property
    def num_parameters(self) -> int:
        """P, one for each feature."""
        return self.features.shape[-1]

    def __call__(self, theta: Array) -> Array:
        """Q_θ [S, A] of parameters [P]."""
        return self.features @ theta


@dataclasses.dataclass(frozen=True)
class Network:
    """One hidden layer of tanh units on features of the state, and a linear output for each action.

    Attributes:
        features: float64 [S, F].
        num_actions: A.
        num_hidden: H, the number of hidden units.
    """

    features: Array
    num_actions: int
    num_hidden: int

    @property
    def num_parameters(self) -> int:
        """P: weights and biases of both layers, H·F + H + A·H + A."""
        hidden, actions = self.num_hidden, self.num_actions
        return hidden * (self.features.shape[1] + 1) + actions * (hidden + 1)

    def __call__(self, theta: Array) -> Array:
        """Q_θ [S, A] of parameters [P], those of the hidden layer first."""
        split = self.num_hidden * (self.features.shape[1] + 1)
        first = theta[:split].reshape(-1, self.num_hidden)
        second = theta[split:].reshape(-1, self.num_actions)
        hidden = np.tanh(self.features @ first[:-1] + first[-1])
        return hidden @ second[:-1] + second[-1]
