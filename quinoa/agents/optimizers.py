"""Which optimiser moves the variables of a parameter group: its kind and its settings."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
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
    """Tieleman & Hinton (2012).

    Attributes:
        decay: α, of the mean of the gradients' squares.
        momentum: of the steps; 0 is none.
        epsilon: ε, which is added to the root of that mean; where there is momentum, to the mean
            before its root is taken (Keras has these two forms).
        centered: whether the gradients' own mean is subtracted (Graves, 2013, Eq. 38 to 45).
        tensorflow_1: whether it is the optimiser that TensorFlow 1 had, as OpenAI Baselines uses
            it: the mean of squares starts at 1 and ε is added before the root is taken, with
            momentum or without. Steps along small gradients are far smaller then: with ε = 1e-5
            those of gradients below 3e-3 are nearly proportional to them.
    """

    decay: float = 0.99
    momentum: float = 0.0
    epsilon: float = 1e-5
    centered: bool = False
    tensorflow_1: bool = False

    def make(self, learning_rate: Rate) -> Any:
        """See the base class."""
        kind = _RMSPropOfTensorFlow1 if self.tensorflow_1 else _KerasRMSprop
        return kind(learning_rate, self.decay, self.momentum, self.epsilon, centered=self.centered)


# A name of its own, as the module above has no types.
_KerasRMSprop: Any = _keras.RMSprop


class _RMSPropOfTensorFlow1(_KerasRMSprop):
    """`RMSProp.tensorflow_1`, by Keras' form with momentum, which has ε below the root."""

    def __init__(self, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._momentum = True

    def _create_slots(self, var_list: Sequence[tf.Variable]) -> None:
        for variable in var_list:
            self.add_slot(variable, "rms", "ones")
        super()._create_slots(var_list)


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
