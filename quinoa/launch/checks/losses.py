"""Checks of an agent's losses and of the variables that they train."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents import graphs, protocol
from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import NUM_CALLS, SEED, STEPS_PER_CALL, AgentSubject, tensors
from quinoa.launch.checks.variables import in_groups_of, listed, paths_of

# A number of gradient steps that a period of so many steps divides, for all periods up to 16 and
# for all usual ones (1000, 2500, 4096 ...): whatever is done once a period is done here.
_ROUND_STEP = 2**16 * 3**4 * 5**6 * 7 * 11 * 13


def losses_are_scalars(subject: AgentSubject) -> str:
    """Every loss is one finite float32, and every group's loss is there."""
    agent = subject.make_agent()
    agent.initialize(tensors(subject.batches()))
    paths, before = paths_of(agent), [variable.numpy() for variable in agent.trainable_variables]
    losses = agent.losses(tensors(subject.batches()), tf.constant(SEED))
    moved = [
        paths[variable.ref()]
        for variable, was in zip(agent.trainable_variables, before, strict=True)
        if not np.array_equal(variable.numpy(), was)
    ]
    require(
        not moved,
        f"losses changes {listed(moved)}: move targets in after_step, which is not called where a "
        "step is skipped",
    )
    for name, loss in losses.items():
        tensor = tf.convert_to_tensor(loss)
        require(
            tensor.shape == [] and tensor.dtype == tf.float32,
            f"the loss {name!r} is {tensor.dtype.name} {tensor.shape}, not float32 []: take the "
            "mean over the batch (tf.reduce_mean)",
        )
        require(
            math.isfinite(float(tensor)),
            f"the loss {name!r} is {float(tensor)} on random transitions: look for a logarithm, a "
            "division or an exponential without a bound",
        )
    learned, _ = agent.losses_and_statistics(tensors(subject.batches()), tf.constant(SEED))
    require(
        learned.keys() == losses.keys()
        and all(np.array_equal(learned[name], loss) for name, loss in losses.items()),
        "losses and losses_and_statistics give different losses, and the learner minimises those "
        "of the latter: let losses return self.losses_and_statistics(transitions, seed)[0]",
    )
    for group in agent.parameter_groups():
        require(
            group.loss in losses,
            f"a parameter group names the loss {group.loss!r}, but losses returns "
            f"{', '.join(map(repr, losses)) or 'none'}: use the same names",
        )
    return ""


def gradients_reach_every_variable(subject: AgentSubject) -> str:
    """Every variable of a group gets a gradient of its loss, and moves when learning."""
    learner = subject.make_learner()
    batch = tensors(subject.batches())
    learner.agent.initialize(batch)
    _, gradients, _ = learner.losses_and_gradients(batch)
    paths = paths_of(learner.agent)
    for loss, found in gradients.items():
        missing = [
            paths[variable.ref()]
            for variable, gradient in zip(learner.variables_of(loss), found, strict=True)
            if gradient is None
        ]
        require(
            not missing,
            f"no gradient of the loss {loss!r} reaches {listed(missing)}: use them in that loss "
            "(is there a tf.stop_gradient, or numpy, between?), or take them out of its group",
        )
    history, num_steps = subject.history, STEPS_PER_CALL * NUM_CALLS
    in_groups, paths = in_groups_of(history.learner.agent), paths_of(history.learner.agent)
    due = {
        variable.ref()
        for group in history.learner.agent.parameter_groups()
        if group.period <= num_steps
        for variable in group.variables
    }
    still = [
        paths[variable.ref()]
        for variable, was, now in zip(
            history.learner.state, history.before, history.after, strict=True
        )
        if variable.ref() in due and np.array_equal(was, now)
    ]
    require(
        not still,
        f"{num_steps} gradient steps move {listed(still)} by nothing: the "
        "gradient is zero (is it multiplied by 0, or cut off by a clip or a dead unit?), or the "
        "learning rate is",
    )
    return f"{len(in_groups)} variables"


def every_variable_is_accounted_for(subject: AgentSubject) -> str:
    """Each trainable variable is trained by a group, or a target, which moves in `after_step`."""
    agent = subject.make_agent()
    paths, in_groups = paths_of(agent), in_groups_of(agent)
    require(
        in_groups <= paths.keys(),
        "a parameter group has variables that are not the agent's, so no checkpoint has them: "
        "keep their module as an attribute of the agent",
    )
    agent.initialize(tensors(subject.batches()))
    # Whatever it is that targets follow has moved.
    for variable in agent.variables:
        if variable.ref() in in_groups:
            variable.assign_add(tf.fill(variable.shape, 0.01))
    values = {variable.ref(): variable.numpy() for variable in agent.trainable_variables}
    batch, seed = tensors(subject.batches(seed=1)), tf.constant(SEED)

    after_step = graphs.trace(
        lambda step: agent.after_step(step, batch, seed), tf.TensorSpec([], tf.int64)
    )

    def still() -> list[tf.Variable]:
        return [
            variable
            for variable in agent.trainable_variables
            if np.array_equal(variable.numpy(), values[variable.ref()])
        ]

    def lost() -> list[str]:
        others = [paths[v.ref()] for v in still() if v.ref() not in in_groups]
        return [path for path in others if "fixed" not in path]

    after_step(tf.constant(_ROUND_STEP, tf.int64))
    _require_that_nothing_trained_follows(agent, in_groups, values)
    if lost():
        # A multiple of every period, but no number that a step ever has.
        with contextlib.suppress(tf.errors.OpError):
            after_step(tf.constant(0, tf.int64))
    require(
        not lost(),
        f"no parameter group has {listed(lost())}, and after_step does not move them: put them "
        "into a group; or, if they are targets, move them in after_step (quinoa.agents.targets, "
        "when the step that it is given says so); or, if they are to stay as they are, make them "
        "with trainable=False or call them _fixed_...",
    )
    return ""


def _require_that_nothing_trained_follows(
    agent: protocol.Agent, in_groups: set[Any], values: dict[Any, npt.NDArray[Any]]
) -> None:
    """`after_step` has moved nothing that a group trains towards another variable.

    Args:
        agent: whose `after_step` has been called.
        in_groups: references to what the groups train.
        values: what the agent's trainable variables were before, by reference.
    """
    paths = paths_of(agent)
    for variable in agent.trainable_variables:
        was = values[variable.ref()]
        change = variable.numpy() - was
        if variable.ref() not in in_groups or not np.any(change):
            continue
        for reference, value in values.items():
            way = value - was if value.shape == was.shape else np.zeros_like(was)
            size = np.sum(way * way)
            share = np.sum(change * way) / size if size else 0.0
            require(
                not (share > 0 and np.allclose(change, share * way, rtol=1e-3, atol=1e-6)),
                f"after_step moves {paths[variable.ref()]}, which a parameter group trains, "
                f"towards {paths[reference]}: the online variables come first and the targets "
                "second in targets.copy, smooth and periodic, and no group has targets",
            )
