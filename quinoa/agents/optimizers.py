"""Which optimiser moves the variables of a parameter group: its kind and its settings."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Keras keeps the optimisers whose step is one fused kernel a variable under this name.
_keras = tf.keras.optimizers.legacy

Rate = float | Callable[[], tf.Tensor]


class Optimizer(abc.ABC):
    """Settings of an optimiser, but for the step size, which is the group's learning rate."""

    @abc.abstractmethod
    def make(self, learning_rate: Rate) -> Any:
        """Makes the optimiser, a `tf.keras.optimizers.legacy.Optimizer`.

        Args:
            learning_rate: its step size, or a function that gives it, float32 [], at each step.
        """


@dataclasses.dataclass(frozen=True)
class Adam(Optimizer):
    """Kingma & Ba (2015), "Adam: A Method for Stochastic Optimization", Algorithm 1.

    Attributes:
        beta_1: β₁, the decay of the gradients' running mean.
        beta_2: β₂, the decay of the mean of their squares.
        epsilon: ε̂ of the form at the end of section 2, which is added to the root of the squares'
            mean before the bias correction. Of gradients that are not far above it, it takes a part
            of each step; those of a loss with a small temperature are near 1e-7.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def make(self, learning_rate: Rate) -> Any:
        """See the base class."""
        return _keras.Adam(learning_rate, self.beta_1, self.beta_2, self.epsilon)


@dataclasses.dataclass(frozen=True)
class RMSProp(Optimizer):
    """Tieleman & Hinton (2012); the defaults are those of OpenAI Baselines' A2C.

    Attributes:
        decay: α, of the mean of the gradients' squares.
        momentum: of the steps; 0 is none.
        epsilon: ε, which is added to the root of that mean; where there is momentum, to the mean
            before its root is taken (Keras has these two forms).
        centered: whether the gradients' own mean is subtracted (Graves, 2013, Eq. 38 to 45).
    """

    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-5
    centered: bool = False

    def make(self, learning_rate: Rate) -> Any:
        """See the base class."""
        return _keras.RMSprop(
            learning_rate, self.decay, self.momentum, self.epsilon, centered=self.centered
        )


@dataclasses.dataclass(frozen=True)
class SGD(Optimizer):
    """Steps along the gradient.

    Attributes:
        momentum: how much of the last step is added to the next; 0 is none.
        nesterov: whether that is Nesterov's momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def make(self, learning_rate: Rate) -> Any:
        """See the base class."""
        return _keras.SGD(learning_rate, self.momentum, self.nesterov)
