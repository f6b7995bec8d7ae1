"""What must come of learning: the policy goes to where rewards are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from quinoa.agents.types import Transition
from quinoa.launch.checks.base import require
from quinoa.launch.checks.subject import SEED, STEPS_PER_CALL, Subject, tensors

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


def policy_goes_to_reward(subject: Subject) -> str:
    """Two learners begin as one, and the best actions of their rewards are opposite.

    Every transition ends its episode, and its reward is minus the distance of its action from the
    best one. So what the policies come to differ in comes from the rewards alone, and not from how
    networks, or an entropy, happen to begin.
    """
    learner = subject.history.learner
    states = tf.constant(subject.batches(seed=_SEED_OF_STATES).observation[:_NUM_STATES])

    def mean_action() -> float:
        actions = learner.agent.policy(states).sample(_NUM_ACTIONS, seed=tf.constant(SEED))
        return float(tf.reduce_mean(actions))

    kept = _values(learner.state)
    try:
        first = _bandit(subject, 0, _BEST)
        _assign(learner.state, subject.history.before)
        learner.agent.initialize(tensors(Transition(*(field[0] for field in first))))
        values = dict.fromkeys((_BEST, -_BEST), _values(learner.state))
        apart, call = [0.0], 0
        for num_steps in _LOOK_AFTER:
            calls, means = range(call, num_steps // STEPS_PER_CALL), []
            for best in values:
                _assign(learner.state, values[best])
                for call in calls:
                    learner.step(_bandit(subject, call, best))
                values[best] = _values(learner.state)
                means.append(mean_action())
            call = calls.stop
            apart.append(means[0] - means[1])
            if apart[-1] > _APART:
                return ""
    finally:
        _assign(learner.state, kept)
    require(
        apart[-1] > -_APART or apart[-2] < apart[-1],
        f"{num_steps} gradient steps take the policy away from the actions with the higher reward: "
        "a sign is wrong (a policy's loss is minus the value of its actions, and a value's is the "
        "square of its error to reward plus the next value)",
    )
    return f"note: {num_steps} gradient steps do not tell; the policy hardly follows the reward yet"


def _bandit(subject: Subject, call: int, best: float) -> Transition:
    """Batches [K, B] in which every transition ends an episode, and `best` is the best action."""
    batch = subject.batches(STEPS_PER_CALL, seed=call)
    reward = -np.sum(np.abs(batch.action - best), axis=-1)
    return batch._replace(reward=reward, discount=np.zeros_like(batch.discount))


def _values(variables: list[tf.Variable]) -> list[npt.NDArray[np.generic]]:
    return [variable.numpy() for variable in variables]


def _assign(variables: list[tf.Variable], values: list[npt.NDArray[np.generic]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
