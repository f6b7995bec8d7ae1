"""Parameter groups: checks of them, and the gradients of the losses that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from quinoa.agents.protocol import Agent, ParameterGroup
from quinoa.agents.types import Seed, Transition


class Pass(NamedTuple):
    """A pass of one batch through an agent's networks, and back.

    Attributes:
        losses: those that parameter groups name, float32 [] each.
        gradients: of each loss, by `variables_of` it.
        statistics: what `Agent.losses_and_statistics` has returned besides.
    """

    losses: dict[str, tf.Tensor]
    gradients: dict[str, list[tf.Tensor]]
    statistics: Any


def loss_names(groups: Sequence[ParameterGroup]) -> list[str]:
    """The losses that the groups name, each once, in the groups' order."""
    return list(dict.fromkeys(group.loss for group in groups))


def metrics(names: Sequence[str], means: tf.Tensor) -> dict[str, tf.Tensor]:
    """What a row of metrics has of losses: `loss` or, of several, `loss/NAME`; norms likewise.

    Args:
        names: of `loss_names`.
        means: of the losses and of their gradients' norms, float32 [2, number of losses].
    """
    found = {}
    for index, name in enumerate(names):
        suffix = "" if len(names) == 1 else f"/{name}"
        found[f"loss{suffix}"] = means[0, index]
        found[f"gradient_norm{suffix}"] = means[1, index]
    return found


def variables_of(groups: Sequence[ParameterGroup], loss: str) -> list[tf.Variable]:
    """The variables that a loss trains."""
    return [variable for group in groups if group.loss == loss for variable in group.variables]


def gradients_of(
    agent: Agent, groups: Sequence[ParameterGroup], transitions: Transition, seed: Seed
) -> Pass:
    """Takes the gradients of an agent's losses, all before any variable moves.

    Args:
        agent: of the groups.
        groups: of the agent, checked.
        transitions: a batch.
        seed: int32 [2].

    Raises:
        ValueError: a parameter group names a loss that the agent does not return.
    """
    names = loss_names(groups)
    with tf.GradientTape(persistent=len(names) > 1) as tape:
        losses, statistics = agent.losses_and_statistics(transitions, seed)
    check_losses(names, losses)
    gradients = {name: tape.gradient(losses[name], variables_of(groups, name)) for name in names}
    return Pass({name: losses[name] for name in names}, gradients, statistics)


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
