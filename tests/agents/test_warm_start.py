import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import ddpg, iq, protocol, sac, smoothie, sql, warm_start
from quinoa.agents.learner import Learner
from quinoa.agents.learner_checkpoint import CheckpointError
from quinoa.agents.preprocessing import applied
from tests.agents.fixtures import make_spec, make_transitions
from tests.agents.learners import LearnerPool

SMALL: dict[str, Any] = {"hidden_sizes": (8,), "batch_size": 16}
AGENTS = pytest.mark.parametrize("agent", [ddpg, iq, sac, smoothie, sql])
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def make(agent, seed=0, spec=None, **changes):
    config = agent.Config(**{**SMALL, **changes})
    return Learner(applied(agent.Agent, config), config, spec or make_spec(), seed=seed)


def values(learner):
    return {
        name: np.concatenate([v.numpy().ravel() for v in module.variables])
        for name, module in vars(learner.agent).items()
        if hasattr(module, "variables") and module.variables
    }


def begin_from(learner, path, part):
    taken = warm_start.take(learner.agent, path, part)
    learner.skip_initialization()
    return taken


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A learner of each agent whose variables have moved, and where it is saved; made once."""

    @functools.cache
    def of(agent):
        learner, rng = make(agent, seed=1), np.random.default_rng(0)
        for variable in learner.agent.variables:
            if variable.dtype.is_floating:
                variable.assign_add(0.1 * rng.random(variable.shape, np.float32))
        return learner, learner.save(str(tmp_path_factory.mktemp("learned") / "learner"))

    return of


@AGENTS
@pytest.mark.parametrize("part", ["all", "policy", "critic"])
def test_an_agent_begins_with_what_another_has_learned(agent, part, learned):
    first, path = learned(agent)
    config = agent.Config(**SMALL, discount=0.5)
    other = LEARNERS.take(applied(agent.Agent, config), config, seed=2)
    before = values(other)
    taken = begin_from(other, path, part)
    after = values(other)
    theirs = values(first)
    names = {text.partition(" ")[0] for text in taken}
    policies = {name for name in after if "policy" in name}
    assert policies and after.keys() - policies
    assert names == {"all": set(after), "policy": policies, "critic": after.keys() - policies}[part]
    for name in after:
        np.testing.assert_array_equal(after[name], theirs[name] if name in names else before[name])
    # It learns on, with steps of its own.
    assert other.steps == 0
    other.step(make_transitions(1, 16))
    assert other.steps == 1
    assert all(" numbers)" in text for text in taken)


def test_a_temperature_and_the_optimisers_begin_anew(tmp_path):
    first = make(sac, seed=1)
    for optimizer in first._optimizers:
        for variable in optimizer.variables():
            variable.assign(tf.ones_like(variable))
    other = make(sac, seed=2, alpha=0.7)
    begin_from(other, first.save(str(tmp_path / "learner")), "all")
    assert float(np.exp(other.agent._log_alpha)) == pytest.approx(0.7)
    assert not any(np.any(v != 0) for optimizer in other._optimizers for v in optimizer.variables())


@pytest.mark.parametrize("normalized", [False, True])
def test_fine_tuning_has_a_schedule_of_its_own(normalized, tmp_path):
    """A set of noise, which the other run need not have, begins whole."""
    first = make(sql, seed=1, normalize_observations=normalized)
    path = first.save(str(tmp_path / "learner"))
    other = make(sql, seed=2, normalize_observations=normalized, noise_set_size=4)
    begin_from(other, path, "all")
    s = tf.constant(make_transitions(5).observation)
    theirs, ours = (learner.agent.policy(s).policy for learner in (first, other))
    np.testing.assert_array_equal(
        ours.sample_and_log_prob(s, 3, [1, 2])[0], theirs.sample_and_log_prob(s, 3, [1, 2])[0]
    )
    ours.set_size.assign([2.0])
    last = make(sql, seed=3, normalize_observations=normalized, noise_set_size=9)
    begin_from(last, other.save(str(tmp_path / "tuned")), "policy")
    assert float(last.agent.policy(s).policy.set_size[0]) == 9.0


def test_statistics_of_observations_go_with_the_networks(tmp_path):
    first = make(ddpg, seed=1, normalize_observations=True)
    first.step(make_transitions(3, 16))
    path = first.save(str(tmp_path / "learner"))
    other = make(ddpg, seed=2, normalize_observations=True)
    begin_from(other, path, "all")
    s = make_transitions(5).observation
    np.testing.assert_array_equal(other.agent.policy(s).mode(), first.agent.policy(s).mode())
    # And a run without them has none to give.
    with pytest.raises(CheckpointError, match="of the same agent, with networks of the same sizes"):
        begin_from(make(ddpg, seed=2), path, "all")


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_sizes": (9,)},
        {"hidden_sizes": (8, 8)},
        {"spec": make_spec(4)},
        {"spec": make_spec(3, 1)},
    ],
)
def test_other_sizes_are_refused(changes, tmp_path):
    path = make(ddpg).save(str(tmp_path / "learner"))
    with pytest.raises(CheckpointError, match="cannot be taken from the checkpoint"):
        begin_from(make(ddpg, **changes), path, "all")


def test_another_agent_and_no_checkpoint_are_refused(tmp_path):
    path = make(ddpg).save(str(tmp_path / "learner"))
    with pytest.raises(CheckpointError, match="of the same agent"):
        begin_from(make(sac), path, "critic")
    with pytest.raises(CheckpointError, match="cannot be taken"):
        begin_from(make(ddpg), str(tmp_path / "nothing"), "policy")


def test_a_policy_alone_may_come_from_an_agent_with_another_critic(tmp_path):
    """Only what is taken has to fit."""
    config = dataclasses.replace(smoothie.Config(**SMALL), critic="two_networks")
    first = Learner(smoothie.Agent, config, make_spec(), seed=1)
    other = make(smoothie, seed=2)
    begin_from(other, first.save(str(tmp_path / "learner")), "policy")
    s = make_transitions(5).observation
    np.testing.assert_array_equal(other.agent.policy(s).mode(), first.agent.policy(s).mode())


def test_a_policy_whose_networks_cannot_be_told_from_its_schedule_is_refused(tmp_path):
    """Rather than that nothing is taken of what is in a list."""

    class Scheduled(protocol.Policy):
        def __init__(self):
            super().__init__(name="policy")
            self.rate = tf.Variable([1.0], trainable=False)
            self.networks = [tf.Module()]
            self.networks[0].weights = tf.Variable([1.0])

        def scheduled(self):
            return (self.rate,)

    learner = make(ddpg)
    path = learner.save(str(tmp_path / "learner"))
    learner.agent.policy = Scheduled()
    with pytest.raises(CheckpointError, match="make each network an attribute of its own"):
        begin_from(learner, path, "policy")
