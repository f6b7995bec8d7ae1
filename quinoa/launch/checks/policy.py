"""What must hold of an agent's policy, for actors and for the losses that are made of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from quinoa.agents.learner import flatten, unflatten
from quinoa.launch.checks.base import CheckError, require
from quinoa.launch.checks.subject import SEED, Subject

# How far out the states are in which a policy is looked at.
_SCALES = (0.0, 1.0, 1e3)
# Actions at the edges and corners of the box, at most.
_MAX_EDGES = 100


def policy_has_its_shapes(subject: Subject) -> str:
    """For a batch, in a graph as actors run it."""
    policy, action_size = subject.make_policy(), subject.spec.actions.shape[0]
    states, count = subject.batches().observation[:5], min(5, subject.config.batch_size)
    distribution = policy(tf.constant(states))
    batch_shape, event_shape = distribution.batch_shape, distribution.event_shape
    require(
        batch_shape == [count] and event_shape == [action_size],
        f"for {count} observations the policy's distribution has batch shape {batch_shape} and "
        f"event shape {event_shape}, not [{count}] and [{action_size}]: one distribution over "
        "whole actions for each observation (tfd.Independent makes the last axis the event)",
    )

    @tf.function
    def act(observation: tf.Tensor) -> tuple[tf.Tensor, ...]:
        distribution = policy(observation)
        action = distribution.sample(seed=tf.constant(SEED))
        many = distribution.sample(3, seed=tf.constant(SEED))
        return (
            action,
            distribution.mode(),
            distribution.log_prob(action),
            many,
            distribution.log_prob(many),
        )

    results = act(tf.constant(states))
    for name, tensor, shape in zip(
        ("sample(seed=s)", "mode()", "log_prob(action)", "sample(3, seed=s)", "log_prob(actions)"),
        results,
        ([count, action_size], [count, action_size], [count], [3, count, action_size], [3, count]),
        strict=True,
    ):
        require(
            tensor.shape == shape and tensor.dtype == tf.float32,
            f"{name} of the policy's distribution is {tensor.dtype.name} {tensor.shape}, "
            f"not float32 {shape}",
        )
    require(
        bool(tf.reduce_all(act(tf.constant(states))[0] == results[0])),
        "sample(seed=s) draws other actions the next time: use the seed that it is given "
        "(tf.random.stateless_... or the seed= of TFP), and nothing else that is random",
    )
    return ""


def policy_stays_in_the_box(subject: Subject) -> str:
    """Samples and modes, in ordinary states and far out."""
    policy = subject.make_policy()
    for scale in _SCALES:
        distribution = policy(tf.constant(scale * subject.batches().observation))
        for name, action in (
            ("sample", distribution.sample(20, seed=tf.constant(SEED))),
            ("mode", distribution.mode()),
        ):
            most = float(tf.reduce_max(tf.abs(action)))
            require(
                most <= 1,  # NaN is not.
                f"{name}() reaches {most:g} in states of size {scale:g}, outside [-1, 1]: squash "
                "it (quinoa.agents.policies.squash.Squashed) or clip it within the distribution",
            )
    return ""


def policy_is_finite_on_the_box(subject: Subject) -> str:
    """Log-densities and their gradients, at the edges and corners too."""
    policy, action_size = subject.make_policy(), subject.spec.actions.shape[0]
    edges = itertools.islice(itertools.product([-1.0, 1.0, 0.0], repeat=action_size), _MAX_EDGES)
    actions = tf.constant(list(edges), tf.float32)
    (state,) = subject.batches().observation[:1]
    for scale in _SCALES:
        states = tf.tile(tf.constant(scale * state[None]), [len(actions), 1])
        with tf.GradientTape() as tape:
            log_prob = policy(states).log_prob(actions)
            total = tf.reduce_sum(log_prob)
        good = np.all(np.isfinite(log_prob), axis=-1) if len(log_prob.shape) > 1 else None
        bad = np.flatnonzero(~np.isfinite(log_prob)) if good is None else np.flatnonzero(~good)
        if len(bad):
            index = int(bad[0])
            raise CheckError(
                f"log_prob of the action {actions[index].numpy().tolist()} is "
                f"{log_prob[index].numpy()} in a state of size {scale:g}: it must be finite on the "
                "whole box, edges included (quinoa.agents.policies.squash clips before atanh)"
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


def actors_have_the_policy(subject: Subject) -> str:
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
    states = tf.constant(subject.batches().observation)
    for policy, before in zip(policies, (learned, acting), strict=True):
        policy(states).mode()
        require(
            len(policy.variables) == len(before),
            "calling the policy makes more variables: create all of them in its __init__ (call the "
            "network on tf.zeros([1, observation_size]) there)",
        )
    # As they are after some learning.
    for index, variable in enumerate(policies[0].variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [index, 2]))
    unflatten(policies[1], flatten(policies[0]))
    modes = [policy(states).mode() for policy in policies]
    require(
        bool(tf.reduce_all(modes[0] == modes[1])),
        "with the same parameters, the policy of make_policy acts otherwise than the agent's: all "
        "that a policy depends on must be its variables and the configuration",
    )
    return ""


def _shapes(described_variables: Sequence[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(str(list(shape)) for shape, _ in described_variables) or "none"
