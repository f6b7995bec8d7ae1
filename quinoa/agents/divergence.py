"""What is not finite, by name, when learning has diverged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.learner import Learner
from quinoa.agents.types import NonFiniteError, Transition, named


def finite_parameters(learner: Learner) -> npt.NDArray[np.float32]:
    """The policy's variables as one vector, float32 [P], for actors.

    Raises:
        NonFiniteError: see `check_finite`; as of the learner's last call.
    """
    if not learner.status.is_finite:
        check_finite(learner)
    return learner.parameters()


def check_finite(learner: Learner) -> None:
    """Raises `NonFiniteError` if any of the learner's variables is NaN or infinite."""
    bad = learner.not_finite()
    if bad:
        raise NonFiniteError(f"Not finite: {named(bad)}.")


def diagnose(learner: Learner, superbatch: Transition) -> str:
    """Looks for what is not finite in the variables, and in a step on the first batch that has it.

    It takes up to K steps' losses and gradients one by one, which takes seconds, and moves nothing.

    Args:
        learner: after the trouble and before anything is restored.
        superbatch: the batches of the latest steps, leading shape [K, B].

    Returns:
        Names of variables, of the batch's fields, of losses and of the variables whose gradients
        are not finite, as text.
    """
    found = _listed("the variables", learner.not_finite())
    for k in range(superbatch.reward.shape[0]):
        batch = tf.nest.map_structure(lambda x: tf.convert_to_tensor(x[k]), superbatch)  # noqa: B023
        of_step = _in_step(learner, batch)
        if of_step:
            return "; ".join([*found, *of_step])
    return "; ".join(found) or "nothing in the batches of the latest steps"


def _in_step(learner: Learner, batch: Transition) -> list[str]:
    named_fields = {**batch._asdict(), **batch.extras}
    del named_fields["extras"]
    fields = [name for name, value in named_fields.items() if not _finite(value)]
    losses, gradients, _ = learner.losses_and_gradients(batch)
    variables = [
        variable.name.partition(":")[0]
        for loss, of_loss in gradients.items()
        for variable, gradient in zip(learner.variables_of(loss), of_loss, strict=True)
        if gradient is not None and not _finite(gradient)
    ]
    return [
        *_listed("the batch's", fields),
        *_listed("the losses", [name for name, loss in losses.items() if not _finite(loss)]),
        *_listed("the gradients of", list(dict.fromkeys(variables))),
    ]


def _finite(tensor: tf.Tensor) -> bool:
    return bool(np.isfinite(tf.convert_to_tensor(tensor).numpy()).all())


def _listed(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} {named(names)}"] if names else []
