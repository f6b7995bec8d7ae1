"""Networks of another run for an agent to begin with: its policies, its other networks, or all."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf

from quinoa.agents import protocol
from quinoa.agents.learner_checkpoint import CheckpointError, first_line

# What may be taken: the policy and the agent's other policies, as targets; its networks that are no
# policies; or both.
PARTS = ("all", "policy", "critic")


def take(agent: protocol.Agent, path: str, part: str) -> list[str]:
    """Reads networks from a checkpoint of the same agent, whatever its settings and task were.

    A network is an attribute of the agent, a module with variables. It is taken from the attribute
    of the same name. Variables that are attributes themselves, as a temperature or a count of
    steps, stay as they are, and so do optimisers and what a policy has by `Policy.scheduled`.

    Args:
        agent: whose networks are set.
        path: of the checkpoint's files, as `Learner.save` returns it.
        part: one of `PARTS`.

    Returns:
        What was taken: the attributes' names, with how many numbers each has.

    Raises:
        CheckpointError: there is no whole checkpoint, or it has no such networks, or they have
            other shapes.
    """
    chosen = {
        name: network
        for name, network in _networks(agent)
        if part == "all" or (part == "policy") == isinstance(network, protocol.Policy)
    }
    if not chosen:
        raise CheckpointError(f"{type(agent).__name__} has no network that is part of {part!r}.")
    root: dict[str, Any] = {}
    for name, network in chosen.items():
        *parents, last = name.split(".")
        place = root
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = network
    try:
        status = tf.train.Checkpoint(agent=_tracked(root)).read(path)
        status.assert_existing_objects_matched()
    except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
        raise CheckpointError(
            f"The networks {', '.join(chosen)} cannot be taken from the checkpoint at {path}: it "
            "must be of the same agent, with networks of the same sizes and a task with "
            f"observations and actions of the same sizes. ({first_line(error)})"
        ) from error
    return [f"{name} ({_size(network):,} numbers)" for name, network in chosen.items()]


def _networks(agent: protocol.Agent) -> Iterator[tuple[str, tf.Module]]:
    """The agent's networks by the path of attributes to them."""
    for name, value in vars(agent).items():
        if isinstance(value, protocol.Agent):
            # Preprocessing wraps an agent, and has the same policy, or that policy wrapped too.
            for inner, network in _networks(value):
                yield f"{name}.{inner}", network
        elif isinstance(value, tf.Module) and value.variables:
            yield name, value


def _tracked(tree: dict[str, Any]) -> tf.train.Checkpoint:
    """A tree of modules as TensorFlow finds them in a checkpoint."""
    children = {
        name: _tracked(value) if isinstance(value, dict) else _learned(value)
        for name, value in tree.items()
    }
    return tf.train.Checkpoint(**children)


def _learned(network: tf.Module) -> Any:
    """A network without its variables that follow a schedule."""
    scheduled = _scheduled(network)
    if not scheduled:
        return network
    parts = {
        name: _learned(value) if isinstance(value, tf.Module) else value
        for name, value in vars(network).items()
        # Not by equality, which variables have by their numbers.
        if isinstance(value, tf.Module | tf.Variable) and all(value is not it for it in scheduled)
    }
    found = {variable.ref() for name in parts for variable in _variables(vars(network)[name])}
    if any(variable.ref() not in found for variable in _not_scheduled(network)):
        raise CheckpointError(
            f"{type(network).__name__} has variables that follow a schedule, and others in a list "
            "or a dict, which cannot be taken apart: make each network an attribute of its own."
        )
    return tf.train.Checkpoint(**parts)


def _variables(value: tf.Module | tf.Variable) -> Collection[tf.Variable]:
    return value.variables if isinstance(value, tf.Module) else (value,)


def _scheduled(network: tf.Module) -> Collection[tf.Variable]:
    return network.scheduled() if isinstance(network, protocol.Policy) else ()


def _not_scheduled(network: tf.Module) -> Collection[tf.Variable]:
    left_out = {variable.ref() for variable in _scheduled(network)}
    return [variable for variable in network.variables if variable.ref() not in left_out]


def _size(network: tf.Module) -> int:
    return sum(int(variable.shape.num_elements()) for variable in _not_scheduled(network))
