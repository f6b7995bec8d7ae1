"""What must hold of an agent's losses and of the variables that they train."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import NUM_CALLS, SEED, STEPS_PER_CALL, Subject, tensors
from quinoa.launch.checks.variables import in_groups_of, listed, paths_of

# A number of gradient steps that a period of so many steps divides, for all periods up to 16 and
# for all usual ones (1000, 2500, 4096 ...): whatever is done once a period is done here.
_ROUND_STEP = 2**16 * 3**4 * 5**6 * 7 * 11 * 13


def losses_are_scalars(subject: Subject) -> str:
    """Every loss is one finite float32, and every group's loss is there."""
    agent = subject.make_agent()
    agent.initialize(tensors(subject.batches()))
    losses = agent.losses(tensors(subject.batches()), tf.constant(SEED))
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
    for group in agent.parameter_groups():
        require(
            group.loss in losses,
            f"a parameter group names the loss {group.loss!r}, but losses returns "
            f"{', '.join(map(repr, losses)) or 'none'}: use the same names",
        )
    return ""


def gradients_reach_every_variable(subject: Subject) -> str:
    """Every variable of a group gets a gradient of its loss, and moves when learning."""
    learner = subject.make_learner()
    batch = tensors(subject.batches())
    learner.agent.initialize(batch)
    _, gradients = learner.losses_and_gradients(batch)
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
            history.learner.variables, history.before, history.after, strict=True
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


def every_variable_is_accounted_for(subject: Subject) -> str:
    """Each trainable variable is trained by a group, or a target, which moves in `after_step`."""
    agent = subject.make_agent()
    paths, in_groups = paths_of(agent), in_groups_of(agent)
    require(
        in_groups <= paths.keys(),
        "a parameter group has variables that the agent does not hold, so no checkpoint would: "
        "keep their module as an attribute of the agent",
    )
    others = [v for v in agent.trainable_variables if v.ref() not in in_groups]
    agent.initialize(tensors(subject.batches()))
    # Whatever it is that they follow has moved.
    for variable in agent.variables:
        if variable.ref() in in_groups:
            variable.assign_add(tf.fill(variable.shape, 0.01))
    before = [variable.numpy() for variable in others]
    batch, seed = tensors(subject.batches(seed=1)), tf.constant(SEED)

    @tf.function
    def once_a_period() -> None:
        agent.after_step(tf.constant(_ROUND_STEP, tf.int64), batch, seed)

    once_a_period()
    lost = [
        paths[variable.ref()]
        for variable, was in zip(others, before, strict=True)
        if np.array_equal(variable.numpy(), was) and "target" not in paths[variable.ref()]
    ]
    require(
        not lost,
        f"no parameter group has {listed(lost)}, and after_step does not move them: put them into "
        "a group; or move them in after_step if they are targets; or, if they are to stay as they "
        "are, make them with trainable=False or call them _target_...",
    )
    return ""
