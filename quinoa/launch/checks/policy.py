"""Checks of an agent's policy, which actors act with and losses are computed from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs, protocol
from quinoa.agents.actions import Box, FiniteSet
from quinoa.agents.parameter_vector import flatten, unflatten
from quinoa.agents.types import ADDED_BY_OTHERS
from quinoa.launch.checks.base import CheckError, require
from quinoa.launch.checks.subject import SEED, AgentSubject
from quinoa.launch.checks.variables import listed

# How far out the states are in which a policy is looked at.
_SCALES = (0.0, 1.0, 1e3)
_DETERMINISTIC = "the policy's deterministic_action(distribution)"
# How far from 1 a sum of probabilities may be by rounding.
_ROUNDING = 1e-4
# Actions at the edges and corners of the box, at most.
_MAX_EDGES = 100
# Combinations of several choices, at most.
_MAX_COMBINATIONS = 10_000


def policy_has_its_shapes(subject: AgentSubject) -> str:
    """For a batch, in a graph as actors run it."""
    policy, actions = subject.policy, subject.actions
    states = subject.states[:5]
    count = len(states)
    distribution = policy(tf.constant(states))
    if policy.has_density:
        batch_shape, event_shape = distribution.batch_shape, distribution.event_shape
        require(
            batch_shape == [count] and event_shape == actions.shape,
            f"for {count} observations the policy's distribution has batch shape {batch_shape} and "
            f"event shape {event_shape}, not [{count}] and {list(actions.shape)}: one distribution "
            "over whole actions for each observation (tfd.Independent makes the last axis the "
            "event)",
        )

    def act(observation: tf.Tensor) -> dict[str, tf.Tensor]:
        distribution = policy(observation)
        action = distribution.sample(seed=tf.constant(SEED))
        results = {"sample(seed=s)": action}
        if policy.has_mode:
            results[_DETERMINISTIC] = policy.deterministic_action(distribution)
        if policy.has_density:
            many = distribution.sample(3, seed=tf.constant(SEED))
            results["log_prob(action)"] = distribution.log_prob(action)
            results["sample(3, seed=s)"] = many
            results["log_prob(actions)"] = distribution.log_prob(many)
        return results

    dtype = subject.spec.actions.dtype
    of_actions, of_densities = (dtype, (count, *actions.shape)), (np.dtype(np.float32), (count,))
    wanted = {
        "sample(seed=s)": of_actions,
        _DETERMINISTIC: of_actions,
        "log_prob(action)": of_densities,
        "sample(3, seed=s)": (dtype, (3, *of_actions[1])),
        "log_prob(actions)": (np.dtype(np.float32), (3, count)),
    }
    traced = graphs.trace(act, tf.constant(states))
    results = traced(tf.constant(states))
    for name, tensor in results.items():
        dtype, shape = wanted[name]
        require(
            tensor.shape == shape and tensor.dtype == dtype,
            f"{name} of the policy's distribution is {tensor.dtype.name} {tensor.shape}, "
            f"not {dtype.name} {list(shape)}",
        )
    again = traced(tf.constant(states))["sample(seed=s)"]
    require(
        bool(tf.reduce_all(again == results["sample(seed=s)"])),
        "sample(seed=s) draws other actions the next time: use the seed that it is given "
        "(tf.random.stateless_... or the seed= of TFP), and nothing else that is random",
    )
    lacking = ["density"] * (not policy.has_density) + ["mode"] * (not policy.has_mode)
    return f"it has no {' and no '.join(lacking)}" if lacking else ""


def actions_are_the_environments(subject: AgentSubject) -> str:
    """Samples and modes, in ordinary states and far out."""
    policy = subject.policy
    for scale in _SCALES:
        distribution = policy(tf.constant(subject.states_of_size(scale)))
        drawn = {"sample": distribution.sample(seed=tf.constant(SEED))}
        if policy.has_density:
            drawn["sample"] = distribution.sample(20, seed=tf.constant(SEED))
        if policy.has_mode:
            drawn["mode"] = policy.deterministic_action(distribution)
        for name, action in drawn.items():
            if not isinstance(subject.actions, Box):
                _check_indices(subject, name, action.numpy(), scale)
                continue
            furthest = float(tf.reduce_max(tf.abs(action)))
            require(
                furthest <= 1,  # NaN is not.
                f"{name}() reaches {furthest:g} in states of size {scale:g}, outside [-1, 1]: "
                "squash it (quinoa.agents.policies.squash.Squashed) or clip it within the "
                "distribution",
            )
    return ""


def _check_indices(
    subject: AgentSubject, name: str, actions: npt.NDArray[np.int32], scale: float
) -> None:
    """Of one choice, or of each of several."""
    if isinstance(subject.actions, FiniteSet):
        numbers, actions, of_which = [subject.actions.number], actions[..., None], "actions"
    else:
        assert not isinstance(subject.actions, Box)
        numbers, of_which = list(subject.actions.numbers), "choice {}"
    for index, number in enumerate(numbers):
        least, most = int(actions[..., index].min()), int(actions[..., index].max())
        require(
            least >= 0 and most < number,
            f"{name}() gives {of_which.format(index)} from {least} to {most} in states of size "
            f"{scale:g}, not from 0 to {number - 1}",
        )


def densities_are_finite(subject: AgentSubject) -> str:
    """Log-densities and their gradients, at the edges and corners of the box too.

    For finite sets, the probabilities of all their actions, which add up to 1.
    """
    policy = subject.policy
    if not policy.has_density:
        return "it has none"
    actions, are_all = _every_action(subject)
    for scale in _SCALES:
        state = subject.states_of_size(scale)[:1]
        states = tf.constant(np.repeat(state, len(actions), axis=0))
        with tf.GradientTape() as tape:
            log_prob = policy(states).log_prob(actions)
            total = tf.reduce_sum(log_prob)
        good = np.all(np.isfinite(log_prob), axis=-1) if len(log_prob.shape) > 1 else None
        bad = np.flatnonzero(~np.isfinite(log_prob)) if good is None else np.flatnonzero(~good)
        if len(bad):
            index = int(bad[0])
            where = (
                "for each of the set (bound the logits)"
                if not isinstance(subject.actions, Box)
                else "on the whole box, edges included (quinoa.agents.policies.squash clips before "
                "atanh)"
            )
            raise CheckError(
                f"log_prob of the action {actions[index].numpy().tolist()} is "
                f"{log_prob[index].numpy()} in a state of size {scale:g}: it must be finite {where}"
            )
        if are_all:
            in_all = float(tf.reduce_sum(tf.exp(log_prob)))
            require(
                abs(in_all - 1.0) < _ROUNDING,
                f"the probabilities of the {len(actions)} actions add up to {in_all:g} in a state "
                f"of size {scale:g}, not to 1",
            )
        gradients = tape.gradient(total, policy.trainable_variables)
        for variable, gradient in zip(policy.trainable_variables, gradients, strict=True):
            require(
                gradient is None or bool(np.all(np.isfinite(gradient))),
                f"the gradient of log_prob by {variable.name} is not finite at the edges of the "
                f"box, in a state of size {scale:g}: bound what the network gives (a deviation or "
                "a logit that grows without bound)",
            )
    return ""


def _every_action(subject: AgentSubject) -> tuple[tf.Tensor, bool]:
    """Actions to look at, and whether there are no others.

    Of a finite set all, of several the first combinations, of a box its middle, edges and corners.
    """
    if isinstance(subject.actions, FiniteSet):
        return tf.range(subject.actions.number, dtype=subject.spec.actions.dtype), True
    if isinstance(subject.actions, Box):
        edges = itertools.product([-1.0, 1.0, 0.0], repeat=subject.actions.size)
        return tf.constant(list(itertools.islice(edges, _MAX_EDGES)), tf.float32), False
    numbers = subject.actions.numbers
    every = itertools.product(*map(range, numbers))
    some = list(itertools.islice(every, _MAX_COMBINATIONS))
    return tf.constant(some, subject.spec.actions.dtype), len(some) == math.prod(numbers)


def extras_are_as_declared(subject: AgentSubject) -> str:
    """What actors add to transitions has the names and shapes that the layout of rows has."""
    policy, states = subject.policy, tf.constant(subject.states)
    declared = subject.layout.shapes(len(states)).extras
    wanted = {name: shape for name, shape in declared.items() if name not in ADDED_BY_OTHERS}
    distribution = policy(states)
    found = policy.extras(distribution, distribution.sample(seed=tf.constant(SEED)))
    require(
        found.keys() == wanted.keys(),
        f"Policy.extras gives {listed(list(found)) or 'nothing'}, and Agent.extras_spec declares "
        f"{listed(list(wanted)) or 'nothing'}: use the same names in both",
    )
    for name, value in found.items():
        require(
            tuple(value.shape) == wanted[name] and value.dtype == tf.float32,
            f"the extra {name!r} is {value.dtype.name} {value.shape} for {len(states)} "
            f"observations, not float32 {list(wanted[name])} as Agent.extras_spec declares",
        )
        require(
            bool(np.all(np.isfinite(value))),
            f"the extra {name!r} is not finite: bound it (a logarithm, a ratio, an exponential)",
        )
    return listed(list(found))


def actors_have_the_policy(subject: AgentSubject) -> str:
    """What actors make with `make_policy` takes the parameters of the agent's policy."""
    policies = subject.make_agent().policy, subject.make_policy()
    learned, acting = ([(tuple(v.shape), v.dtype) for v in p.variables] for p in policies)
    require(
        bool(learned),
        "the policy has no variables: create them in its __init__, not at its first call",
    )
    for shape, dtype in learned:
        require(
            dtype == tf.float32,
            f"the policy has a variable of {dtype.name}, shape {list(shape)}: actors are sent "
            "float32 alone",
        )
    require(
        learned == acting,
        f"make_policy makes variables of other shapes, or in another order, than the agent's "
        f"policy has ({_shapes(acting)}, not {_shapes(learned)}): make both the same way",
    )
    states = tf.constant(subject.states)
    for policy, before in zip(policies, (learned, acting), strict=True):
        _act(policy, states)
        require(
            len(policy.variables) == len(before),
            "calling the policy makes more variables: create all of them in its __init__ (call the "
            "network on tf.zeros([1, observation_size]) there)",
        )
    # As they are after some learning.
    for index, variable in enumerate(policies[0].variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [index, 2]))
    unflatten(policies[1], flatten(policies[0]))
    acted = [_act(policy, states) for policy in policies]
    require(
        bool(tf.reduce_all(acted[0] == acted[1])),
        "with the same parameters, the policy of make_policy acts otherwise than the agent's: all "
        "that a policy depends on must be its variables and the configuration",
    )
    return ""


def _act(policy: protocol.Policy, states: tf.Tensor) -> tf.Tensor:
    distribution = policy(states)
    if policy.has_mode:
        return policy.deterministic_action(distribution)
    return distribution.sample(seed=tf.constant(SEED))


def _shapes(described_variables: Sequence[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(str(list(shape)) for shape, _ in described_variables) or "none"
