"""Networks of another run for an agent to begin with: its policies, its other networks, or all."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from quinoa.agents import learner_checkpoint, preprocessing, protocol
from quinoa.agents.learner_checkpoint import CheckpointError, first_line
from quinoa.agents.literal_path import literal
from quinoa.agents.policy import Policy, PolicyPart
from quinoa.agents.temperature import Temperature
from quinoa.config import parsing

# What may be taken: the policy and the agent's other policies, as targets, or copies of parts of
# them; its other networks; or both.
PARTS = ("all", "policy", "critic")

# What statistics belong to: all networks see normalised observations, a critic's values are of
# scaled rewards.
_PARTS_WITH_STATISTICS = {"normalize_observations": PARTS, "scale_rewards": ("all", "critic")}

# Settings that change what the same weights compute, and the parts that they are of.
_OF_BINS = ("value_limit", "value_low")
_MEANING = {
    **dict.fromkeys(("layer_norm", "activation"), PARTS),
    **dict.fromkeys(("shift_layer_norm", *_OF_BINS), ("all", "critic")),
}

# What networks may be in, below the agent itself.
_Container: TypeAlias = "protocol.Agent | dict[Any, Any] | list[Any] | tuple[Any, ...]"


def take(agent: protocol.Agent, path: str, part: str) -> list[str]:
    """Reads networks from a checkpoint of the same agent, whatever its settings and task were.

    A network is a module with variables: an attribute of the agent, or in lists, tuples and dicts
    that are one. It is taken from the same place of the other agent. Temperatures and variables
    that are attributes themselves, as a count of steps, stay as they are, and so do optimisers and
    what a policy has by `Policy.scheduled`.

    Statistics of observations go with all networks, and those of returns with those that are no
    policies, where both agents keep them (`quinoa.agents.preprocessing`).

    Args:
        agent: whose networks are set.
        path: of the checkpoint's files, as `Learner.save` returns it.
        part: one of `PARTS`.

    Returns:
        What was taken: the networks' places, with how many numbers each has; and which statistics
        were not, as one of the two agents keeps none.

    Raises:
        CheckpointError: there is no checkpoint, or no whole one of a learner, or it has no such
            networks, or they have other shapes, or settings with which the same numbers are another
            function; or the agent has variables that no network is known to have.
    """
    if not tf.io.gfile.exists(f"{path}.index"):
        raise CheckpointError(
            f"There is no checkpoint at {path}: its run is gone or elsewhere, or has newer ones in "
            "its place. Put it back, or begin with another."
        )
    saved = learner_checkpoint.saved_identity(path)
    _check_all_are_known(preprocessing.unwrapped(agent))
    chosen = _chosen(agent, part)
    if not chosen:
        raise CheckpointError(f"{type(agent).__name__} has no network that is part of {part!r}.")
    settings = json.loads(saved)
    _check_meaning(agent, path, settings, part)
    statistics, not_taken = _statistics(agent, settings, part)
    is_wrapped = any(settings.get(setting) for setting in preprocessing.STATISTICS)
    networks = _tree(chosen)
    root = {"_agent": networks, **statistics} if is_wrapped else networks
    try:
        with literal(path) as readable:
            # Without TensorFlow's warnings of all that is in the checkpoint besides.
            status = tf.train.Checkpoint(agent=_tracked(root)).read(readable).expect_partial()
            status.assert_existing_objects_matched()
    except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
        raise CheckpointError(
            f"The networks {', '.join(chosen)} cannot be taken from the checkpoint at {path}: it "
            "must be of the same agent, with networks of the same sizes and a task with "
            "observations and actions of the same sizes. "
            f"{_differences(agent, saved)} ({first_line(error)})"
        ) from error
    taken = {**chosen, **statistics}
    return [f"{name} ({_size(module):,} numbers)" for name, module in taken.items()] + not_taken


def _check_meaning(agent: protocol.Agent, path: str, saved: Mapping[str, Any], part: str) -> None:
    """Raises `CheckpointError` where networks of the same sizes would compute something else."""
    config: Any = agent._config
    there = {**parsing.absent_values(type(config)), **saved}
    for name, parts in _MEANING.items():
        ours, theirs = getattr(config, name, None), there.get(name)
        is_used = name not in _OF_BINS or bool(getattr(config, "value_bins", 0))
        if part in parts and is_used and ours != theirs:
            raise CheckpointError(
                f"The networks of the checkpoint at {path} have {name} = {theirs}, and this agent "
                f"has {ours}, with which the same weights are another function: give the other's, "
                f"--set {name}={str(theirs).lower()}."
            )


def variables_of(agent: protocol.Agent, part: str) -> list[tf.Variable]:
    """The variables that `take` sets, but for those of statistics."""
    chosen = _chosen(agent, part).values()
    return [variable for network in chosen for variable in _not_scheduled(network)]


def _chosen(agent: protocol.Agent, part: str) -> dict[str, tf.Module]:
    """The networks that are a part of the agent, by the path to them."""
    return {
        name: network
        for name, network in _networks(preprocessing.unwrapped(agent))
        if part == "all" or (part == "policy") == isinstance(network, Policy | PolicyPart)
    }


def _statistics(
    agent: protocol.Agent, saved: Mapping[str, Any], part: str
) -> tuple[dict[str, tf.Module], list[str]]:
    """The agent's statistics to take, by attribute; and what to say of those that are not.

    Args:
        agent: which may keep statistics.
        saved: the other run's settings.
        part: one of `PARTS`.
    """
    found, not_taken = {}, []
    for setting, attribute in preprocessing.STATISTICS.items():
        ours, theirs = getattr(agent, attribute, None), bool(saved.get(setting))
        if part not in _PARTS_WITH_STATISTICS[setting]:
            continue
        if ours is not None and theirs:
            found[attribute] = ours
        elif ours is not None or theirs:
            not_taken.append(f"no statistics ({setting} = {theirs} there, {not theirs} here)")
    return found, not_taken


def _differences(agent: protocol.Agent, saved: str) -> str:
    """Says in which settings and sizes the other run differs."""
    here = learner_checkpoint.Identity(type(agent), agent._config, agent._spec)
    differences = here.differences(saved)
    if not differences:
        return "It was written with the same settings, by other code."
    return f"It was written with {', '.join(differences)}."


def _networks(agent: protocol.Agent) -> Iterator[tuple[str, tf.Module]]:
    """The agent's networks by the path to them: of attributes, indices and keys."""
    for name, value in _leaves(agent):
        if isinstance(value, tf.Module) and value.variables and not isinstance(value, Temperature):
            yield name, value


def _leaves(agent: _Container) -> Iterator[tuple[str, Any]]:
    """What attributes are, or the lists, tuples, dicts and agents that they are have in them."""
    for name, value in _parts(agent):
        if isinstance(value, protocol.Agent | dict | list | tuple):
            for inner, leaf in _leaves(value):
                yield f"{name}.{inner}", leaf
        else:
            yield name, value


def _parts(value: _Container) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        yield from ((str(index), part) for index, part in enumerate(value))
        return
    parts = value if isinstance(value, dict) else vars(value)
    # TensorFlow keeps more references to the same objects.
    yield from ((str(key), it) for key, it in parts.items() if not str(key).startswith("_self_"))


def _check_all_are_known(agent: protocol.Agent) -> None:
    """Raises `CheckpointError` where a variable would neither be taken nor be left on purpose."""
    known = {
        variable.ref()
        for _, value in _leaves(agent)
        if isinstance(value, tf.Module | tf.Variable)
        for variable in _variables(value)
    }
    unknown = [variable.name for variable in agent.variables if variable.ref() not in known]
    if unknown:
        raise CheckpointError(
            f"{type(agent).__name__} has variables of which it is not known what network they are "
            f"of: {', '.join(unknown)}. Make each network an attribute of the agent, or put it "
            "into a list, a tuple or a dict that is one."
        )


def _tree(networks: Mapping[str, tf.Module]) -> dict[str, Any]:
    """Networks by the path to them, as nested dicts."""
    root: dict[str, Any] = {}
    for name, network in networks.items():
        *parents, last = name.split(".")
        place = root
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = network
    return root


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
    return network.scheduled() if isinstance(network, Policy) else ()


def _not_scheduled(network: tf.Module) -> Collection[tf.Variable]:
    left_out = {variable.ref() for variable in _scheduled(network)}
    return [variable for variable in network.variables if variable.ref() not in left_out]


def _size(network: tf.Module) -> int:
    return sum(int(variable.shape.num_elements()) for variable in _not_scheduled(network))
