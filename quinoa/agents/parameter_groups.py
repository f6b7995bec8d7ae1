"""Parameter groups, checked before a learner makes optimisers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from quinoa.agents.protocol import ParameterGroup


def loss_names(groups: Sequence[ParameterGroup]) -> list[str]:
    """The losses that the groups name, each once, in the groups' order."""
    return list(dict.fromkeys(group.loss for group in groups))


def check(groups: Sequence[ParameterGroup]) -> None:
    """Checks what an agent's `parameter_groups` returned.

    Raises:
        ValueError: a variable is in two groups, or a group's period is not an integer of at least
            1.
    """
    seen = set()
    for variable in (variable for group in groups for variable in group.variables):
        if variable.ref() in seen:
            raise ValueError(f"The variable {variable.name} is in more than one parameter group.")
        seen.add(variable.ref())
    for group in groups:
        if not isinstance(group.period, int) or group.period < 1:
            raise ValueError(
                f"The parameter group of the loss {group.loss!r} has period = {group.period!r}; it "
                "must be an integer of at least 1: the number of gradient steps to each update."
            )


def check_losses(names: Sequence[str], losses: Mapping[str, tf.Tensor]) -> None:
    """Checks that an agent returned every loss that its parameter groups name.

    Args:
        names: of the losses that the groups name.
        losses: what `Agent.losses` returned, by name.

    Raises:
        ValueError: a loss is missing.
    """
    unknown = [name for name in names if name not in losses]
    if unknown:
        raise ValueError(
            f"A parameter group names the loss {unknown[0]!r}, but Agent.losses returns "
            f"{', '.join([repr(name) for name in losses])}."
        )
