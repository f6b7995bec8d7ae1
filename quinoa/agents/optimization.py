"""How a learner moves parameters: clipping, optimisers, learning rates and weight decay.

All of this is of every agent: it says which variables have which optimiser (`ParameterGroup`), and
its configuration has the rest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from quinoa.agents import graphs
from quinoa.agents.config import LearnerConfig
from quinoa.agents.optimizers import Rate
from quinoa.agents.protocol import ParameterGroup

# From the number of gradient steps done, int64 [], to what learning rates are multiplied by.
Schedule = Callable[[tf.Tensor], tf.Tensor]


def schedule(config: LearnerConfig, gradient_steps: int | None) -> Schedule | None:
    """The schedule of learning rates that a configuration asks for.

    With x, the share of the run's gradient steps that are done, and f, `learning_rate_final`, it is
    1 − (1 − f) x (`linear`) or f + (1 − f) (1 + cos π x) / 2 (`cosine`: Loshchilov & Hutter, 2017,
    "SGDR: Stochastic Gradient Descent with Warm Restarts", Eq. 5, without a restart). x stays at 1
    in a run that does more steps.

    Args:
        config: of the agent.
        gradient_steps: of the whole run, at least 1; None where that is not known.

    Returns:
        None where learning rates are constant.

    Raises:
        ValueError: there is a schedule, and the number of steps is not known.
    """
    kind, final = config.learning_rate_schedule, config.learning_rate_final
    if kind == "constant":
        return None
    if gradient_steps is None:
        raise ValueError(
            f"learning_rate_schedule = {kind!r} needs to know how many gradient steps the run has: "
            "give the learner gradient_steps."
        )

    def factor(done: tf.Tensor) -> tf.Tensor:
        share = tf.minimum(tf.cast(done, tf.float32) / float(gradient_steps), 1.0)
        left = 1.0 - share if kind == "linear" else 0.5 * (1.0 + tf.cos(math.pi * share))
        return final + (1.0 - final) * left

    return factor


class Optimization:
    """The optimisers of parameter groups, one for each.

    Weight decay is decoupled from the gradients (Loshchilov & Hutter, 2019, "Decoupled Weight Decay
    Regularization", Algorithm 2, line 12): with the learning rate η_t of the step,

        θ_t = θ_{t−1} − η_t λ θ_{t−1} − (the optimiser's step, by η_t).

    λ is multiplied by the learning rate, as in PyTorch and Optax: the paper's λ is this one times
    α, its learning rate without the schedule. Matrices decay, and tensors of more dimensions;
    biases and other vectors do not, as they set no slope.

    Attributes:
        optimizers: as Keras has them, in the order of the groups, their variables created.
    """

    def __init__(
        self,
        groups: Sequence[ParameterGroup],
        config: LearnerConfig,
        steps: tf.Variable,
        gradient_steps: int | None = None,
    ):
        """Makes the optimisers.

        Args:
            groups: of the agent.
            config: of the agent.
            steps: int64 [], the number of gradient steps, that of `apply` included.
            gradient_steps: of the whole run, at least 1; None where that is not known.

        Raises:
            ValueError: see `schedule`.
        """
        self._groups = list(groups)
        self._steps = steps
        self._max_norm = config.max_gradient_norm
        self._weight_decay = config.weight_decay
        self._schedule = schedule(config, gradient_steps)
        self._rates = [self._scheduled(group.learning_rate) for group in groups]
        self.optimizers = [
            group.optimizer.make(rate) for group, rate in zip(groups, self._rates, strict=True)
        ]
        for optimizer, group in zip(self.optimizers, groups, strict=True):
            # Slots made now rather than at the first step, so that a checkpoint finds them.
            optimizer._create_all_weights(group.variables)
        # Each begins with one number throughout: counts and most means with 0, and TensorFlow 1's
        # mean of squares with 1.
        self._starts = [
            (variable, tf.reduce_max(variable).numpy())
            for optimizer in self.optimizers
            for variable in optimizer.variables()
        ]

    def apply(
        self, gradients: Mapping[str, Sequence[tf.Tensor | None]], norms: Sequence[tf.Tensor]
    ) -> None:
        """Clips gradients by their norms, and moves the variables of all groups that are due.

        Args:
            gradients: of each loss, by the variables that it trains in the order of the groups.
                None where a variable has none; it then stays as it is.
            norms: of the gradients of each loss, float32 [] each.
        """
        left = {loss: list(of_loss) for loss, of_loss in gradients.items()}
        if self._max_norm:
            for index, loss in enumerate(gradients):
                left[loss], _ = tf.clip_by_global_norm(
                    gradients[loss], self._max_norm, use_norm=norms[index]
                )
        for index, group in enumerate(self._groups):
            pairs = [(left[group.loss].pop(0), variable) for variable in group.variables]
            move = functools.partial(self._move, index, pairs)
            # Decided while tracing where the period is 1, so that the graph has no condition.
            if group.period == 1:
                move()
            else:
                graphs.do_if(tf.equal(tf.math.floormod(self._steps, group.period), 0), move)

    def restart(self) -> None:
        """Forgets all gradients so far; a schedule goes on."""
        for variable, start in self._starts:
            variable.assign(tf.fill(variable.shape, start))

    def metrics(self) -> dict[str, tf.Tensor]:
        """What the last step's learning rates were multiplied by, where there is a schedule."""
        if self._schedule is None:
            return {}
        return {"learning_rate_factor": self._factor()}

    def _move(self, index: int, pairs: Sequence[tuple[tf.Tensor | None, tf.Variable]]) -> None:
        if self._weight_decay:
            rate = self._rates[index]
            decay = self._weight_decay * (rate() if callable(rate) else rate)
            for gradient, variable in pairs:
                if gradient is not None and variable.shape.rank >= 2:
                    variable.assign_sub(decay * variable)
        self.optimizers[index].apply_gradients(pairs)

    def _scheduled(self, rate: Rate) -> Rate:
        if self._schedule is None:
            return rate
        return lambda: (rate() if callable(rate) else rate) * self._factor()

    def _factor(self) -> tf.Tensor:
        assert self._schedule is not None
        # The factor of the step under way, which `steps` counts already; 0 where there is none yet.
        return self._schedule(tf.maximum(self._steps - 1, 0))
