"""What must come of learning: the policy goes to where rewards are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.actions import Box, FiniteSet
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import (
    SEED,
    STEPS_PER_CALL,
    AgentSubject,
    part,
    random_transitions,
    tensors,
)
from quinoa.launch.checks.variables import assign, values_of

# The best action has this, or its opposite, in every dimension.
_BEST = 0.5
# Gradient steps after which the policies are compared, until they have come apart.
_LOOK_AFTER = (32, 64, 128)
# How far apart their mean actions are then, at least. The built-in agents have 0.1 to 2 after 32
# steps, and whatever the first critic happens to want has passed.
_APART = 0.1
# Another one than those of what is learned from.
_SEED_OF_STATES = 10**6
# States, and actions in each, that a mean action is taken over.
_NUM_STATES, _NUM_ACTIONS = 64, 16


def policy_goes_to_reward(subject: AgentSubject) -> str:
    """Two learners begin as one, and the best actions of their rewards are opposite.

    Every transition ends its episode, and its reward is minus the distance of its action from the
    best one. So what the policies come to differ in comes from the rewards alone, and not from how
    networks, or an entropy, happen to begin.

    Of finite sets the most probable actions are compared too: those of an ε-greedy policy follow
    the reward while its samples are still mostly at random.
    """
    learner = subject.history.learner
    drawn = random_transitions(subject.spec, _NUM_STATES, seed=_SEED_OF_STATES)
    states = tf.constant(drawn.observation)

    def mean_actions() -> npt.NDArray[np.float32]:
        """Of samples, and of modes where they are compared too."""
        policy = learner.agent.policy
        distribution = policy(states)
        drawn = [distribution.sample(_NUM_ACTIONS, seed=tf.constant(SEED))]
        if not isinstance(subject.actions, Box) and policy.has_mode:
            drawn.append(distribution.mode())
        return np.array([np.mean(_places(subject, actions.numpy())) for actions in drawn])

    kept = values_of(learner.state)
    try:
        first = _bandit(subject, subject.batches(STEPS_PER_CALL), _BEST)
        assign(learner.state, subject.history.before)
        learner.agent.initialize(tensors(part(first, 0)))
        values = dict.fromkeys((_BEST, -_BEST), values_of(learner.state))
        apart, call = [0.0], 0
        for num_steps in _LOOK_AFTER:
            calls, means = range(call, num_steps // STEPS_PER_CALL), []
            for best in values:
                assign(learner.state, values[best])
                for call in calls:
                    _learn(subject, learner, call, best)
                values[best] = values_of(learner.state)
                means.append(mean_actions())
            call = calls.stop
            apart.append(float(max(means[0] - means[1], key=abs)))
            if apart[-1] > _APART:
                return ""
    finally:
        assign(learner.state, kept)
    require(
        apart[-1] > -_APART or apart[-2] < apart[-1],
        f"{num_steps} gradient steps take the policy away from the actions with the higher reward: "
        "a sign is wrong (a policy's loss is minus the value of its actions, and a value's is the "
        "square of its error to reward plus the next value)",
    )
    return f"note: {num_steps} gradient steps do not tell; the policy hardly follows the reward yet"


def _learn(subject: AgentSubject, learner: Learner, call: int, best: float) -> None:
    """Does `STEPS_PER_CALL` gradient steps on transitions of which `best` is the best action."""
    if not subject.is_on_policy:
        learner.step(_bandit(subject, subject.batches(STEPS_PER_CALL, seed=call), best))
        return
    # Each step is on actions of the policy that it begins with.
    for step in range(call * STEPS_PER_CALL, (call + 1) * STEPS_PER_CALL):
        batch = random_transitions(subject.spec, 1, *subject.config.batch_shape, seed=step)
        learner.step(_bandit(subject, subject.acted(batch, (step, SEED[1])), best))


def _bandit(subject: AgentSubject, batch: Transition, best: float) -> Transition:
    """The batch, but that every transition ends an episode, and `best` is the best action."""
    distance = np.abs(_places(subject, batch.action) - best)
    return batch._replace(
        reward=-np.sum(distance, axis=-1, dtype=np.float32),
        discount=np.zeros_like(batch.discount),
        last=np.ones_like(batch.last),
    )


def _places(subject: AgentSubject, actions: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Where actions are in [-1, 1], [..., A]; those of finite sets in the order of their index."""
    if isinstance(subject.actions, Box):
        return actions
    numbers: tuple[int, ...]
    if isinstance(subject.actions, FiniteSet):
        numbers, actions = (subject.actions.number,), actions[..., None]
    else:
        numbers = subject.actions.numbers
    last = np.maximum(np.array(numbers) - 1, 1)
    return np.asarray(2.0 * actions / last - 1.0, np.float32)
