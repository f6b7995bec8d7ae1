"""The theorem on the agents' own losses: soft Q-learning's gradient is A2C's, in expectation.

All sequences of actions from a state are listed with their probabilities under the agents' policy,
in a world without chance, so that the expectations of Eq. 65 are sums of gradients that the agents
compute themselves. `tests/theory` has the theorem in float64 for any parametrisation.
"""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from acme import specs

from quinoa.agents import a2c
from quinoa.agents.types import Transition
from quinoa.launch.checks.subject import tensors
from tests.agents.fixtures import make_spec

STATES, ACTIONS, TAU = 4, 3, 0.2
SPEC = make_spec(STATES, actions=specs.DiscreteArray(ACTIONS))
RNG = np.random.default_rng(0)
NEXT = RNG.integers(STATES, size=(STATES, ACTIONS))
REWARD = RNG.normal(size=(STATES, ACTIONS)).astype(np.float32)
ONE_HOT = np.eye(STATES, dtype=np.float32)


def agent_of(update, length, **changes):
    """An agent; all that are made for one trunk have the same parameters."""
    config = dataclasses.replace(
        a2c.PRESETS["soft_q_a2c"],
        **{"tau": TAU, "discount": 0.9, "hidden_sizes": (8,), "update": update, **changes},
        segment_length=length,
        batch_size=length,
    )
    agent = a2c.Agent(config, SPEC)
    rng = np.random.default_rng(1)
    for variable in agent.trainable_variables:
        variable.assign(rng.normal(size=variable.shape).astype(np.float32))
    return agent


def every_segment(agent, length):
    """All segments of one length from each state, [1, L], with their probabilities."""
    log_policy = np.stack(
        [agent.policy(ONE_HOT).log_prob(np.full(STATES, a, np.int32)) for a in range(ACTIONS)],
        axis=1,
    )
    for start in range(STATES):
        for actions in itertools.product(range(ACTIONS), repeat=length):
            states = [start]
            for action in actions:
                states.append(NEXT[states[-1], action])
            now = states[:-1], list(actions)
            yield (
                np.exp(log_policy[now].sum()) / STATES,
                Transition(
                    observation=ONE_HOT[states[:-1]][None],
                    action=np.array([actions], np.int32),
                    reward=REWARD[now][None],
                    discount=np.ones((1, length), np.float32),
                    next_observation=ONE_HOT[states[1:]][None],
                    last=np.zeros((1, length), bool),
                ),
            )


def gradients_of(agent, length):
    """The gradient of the loss of each segment, [N, P], and the segments' probabilities, [N]."""
    variables = agent.trainable_variables

    @tf.function
    def gradient(segment):
        with tf.GradientTape() as tape:
            loss = agent.losses(segment, tf.constant([1, 2]))["a2c"]
        found = tape.gradient(loss, variables)
        return tf.concat([tf.reshape(each, [-1]) for each in found], axis=0)

    segments = list(every_segment(agent, length))
    found = [gradient(tensors(segment)).numpy() for _, segment in segments]
    probabilities = np.array([probability for probability, _ in segments])
    np.testing.assert_allclose(probabilities.sum(), 1.0, rtol=1e-5)
    return np.stack(found).astype(np.float64), probabilities


def distance(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(one)


@pytest.mark.parametrize(
    ("length", "shared_trunk", "returns"), [(1, True, "entropy"), (3, False, "kl")]
)
def test_both_updates_are_the_same_in_expectation_and_differ_by_segment(
    length, shared_trunk, returns
):
    settings = {"shared_trunk": shared_trunk, "returns": returns}
    of_policy_gradient, of_soft_q = (
        gradients_of(agent_of(update, length, **settings), length)
        for update in ("policy_gradient", "soft_q")
    )
    np.testing.assert_array_equal(of_policy_gradient[1], of_soft_q[1])
    expected, found = (
        gradients.T @ weights for gradients, weights in (of_policy_gradient, of_soft_q)
    )
    assert distance(expected, found) < 1e-5
    # A segment's estimates are others, so that the sums do not agree for want of a difference.
    assert distance(of_policy_gradient[0], of_soft_q[0]) > 0.05


def test_without_the_scales_the_value_s_coefficient_is_1_over_tau():
    """Of the plain squared error of Q, divided by τ (Eq. 65): A2C with c = 1/τ."""
    length = 2
    plain = agent_of("soft_q", length, value_coefficient=1.0 / TAU)
    for coefficient, same in ((1.0 / TAU, True), (0.5, False)):
        a2c_agent = agent_of("policy_gradient", length, value_coefficient=coefficient)
        found, expected = (
            gradients.T @ weights
            for gradients, weights in (gradients_of(of, length) for of in (plain, a2c_agent))
        )
        assert (distance(expected, found) < 1e-5) == same


def test_on_other_actions_than_the_policy_s_own_they_differ():
    length = 2
    (policy_gradients, _), (soft_q, _) = (
        gradients_of(agent_of(update, length), length) for update in ("policy_gradient", "soft_q")
    )
    assert distance(policy_gradients.mean(axis=0), soft_q.mean(axis=0)) > 0.05
