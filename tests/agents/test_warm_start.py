import dataclasses
import functools
import types
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import ddpg, graphs, iq, meow, protocol, quinoa, sac, smoothie, sql, warm_start
from quinoa.agents.learner import Learner
from quinoa.agents.learner_checkpoint import CheckpointError
from quinoa.agents.preprocessing import STATISTICS, applied, unwrapped
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


def statistics(learner):
    of = learner.agent._observations
    return [variable.numpy() for variable in (of.mean, of.scale, of._variance, of._count)]


def begin_from(learner, path, part):
    taken = warm_start.take(learner.agent, path, part)
    learner.begin_with_networks(warm_start.variables_of(learner.agent, part))
    return taken


def skipped_step(learner, transitions):
    """Initialises from the first batch, and moves nothing more."""
    reward = np.full_like(transitions.reward, np.nan)
    # For one step, sooner than a graph.
    with graphs.eagerly():
        learner.step(transitions._replace(reward=reward))
    assert learner.skipped_steps == learner.steps


def far_transitions():
    transitions = make_transitions(1, 16)
    return transitions._replace(observation=transitions.observation + 100.0)


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
    for optimizer in first._optimization.optimizers:
        for variable in optimizer.variables():
            variable.assign(tf.ones_like(variable))
    other = make(sac, seed=2, alpha=0.7)
    begin_from(other, first.save(str(tmp_path / "learner")), "all")
    assert float(np.exp(other.agent._log_alpha)) == pytest.approx(0.7)
    assert not any(
        np.any(v != 0)
        for optimizer in other._optimization.optimizers
        for v in optimizer.variables()
    )


@pytest.mark.parametrize(
    ("agent", "setting", "attribute"), [(iq, "tau", "_tau"), (meow, "alpha", "_alpha")]
)
@pytest.mark.parametrize("theirs", [False, True])
@pytest.mark.parametrize("ours", [False, True])
def test_a_learned_temperature_begins_anew_whether_or_not_both_learn_it(
    agent, setting, attribute, theirs, ours, tmp_path
):
    first = make(agent, seed=1, adaptive_temperature=theirs, **{setting: 0.3})
    other = make(agent, seed=2, adaptive_temperature=ours, **{setting: 0.7})
    path = first.save(str(tmp_path / "learner"))
    taken = begin_from(other, path, "all")
    np.testing.assert_array_equal(other.parameters(), first.parameters())
    assert float(getattr(other.agent, attribute)()) == pytest.approx(0.7)
    assert not any(text.startswith(attribute) for text in taken)


def numbered(learner):
    return {f"{v.name} {i}": v.numpy() for i, v in enumerate(learner.agent.variables)}


class SomeModule(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(tf.random.normal([3]))


class AgentWithContainers(ddpg.Agent):
    """With networks wherever TensorFlow finds them for a checkpoint."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self._pair = (SomeModule(), {"a": SomeModule(), "b": [SomeModule()]})
        self._policies = [self.make_policy(config, spec)]
        self._rates = [tf.Variable([0.0])]


class AgentInAnAgent(AgentWithContainers):
    def __init__(self, config, spec):
        super().__init__(config, spec)
        self._agent = AgentWithContainers(config, spec)


@pytest.mark.parametrize(
    ("agent_class", "config"),
    [
        (iq.Agent, iq.Config(**SMALL, num_values=3)),
        (iq.Agent, iq.Config(**SMALL, num_values=2, value_bins=5)),
        (
            quinoa.Agent,
            quinoa.Config(**SMALL, num_values=2, num_couplings=2, coupling_hidden_sizes=(8,)),
        ),
        (AgentWithContainers, ddpg.Config(**SMALL)),
        (AgentInAnAgent, ddpg.Config(**SMALL, normalize_observations=True)),
    ],
)
def test_networks_in_containers_are_taken(agent_class, config, tmp_path):
    agents = [Learner(applied(agent_class, config), config, make_spec(), seed=i) for i in range(2)]
    path = agents[0].save(str(tmp_path / "learner"))
    theirs, before = (numbered(each) for each in agents)
    policy = begin_from(agents[1], path, "policy")
    critic = begin_from(agents[1], path, "critic")
    ours = numbered(agents[1])
    differ = [name for name in ours if not np.array_equal(ours[name], theirs[name])]
    assert differ == []
    assert any(not np.array_equal(before[name], theirs[name]) for name in theirs)
    names = [text.partition(" ")[0] for text in [*policy, *critic]]
    # Statistics of observations go with either.
    names = [name for name in names if name != "_observations"]
    assert len(names) == len(set(names))
    if agent_class is AgentWithContainers:
        assert {"_pair.0", "_pair.1.a", "_pair.1.b.0"} <= set(names)
        assert any(text.startswith("_policies.0 (") for text in policy)


def test_a_variable_of_which_it_is_not_known_whose_it_is_is_refused(tmp_path):
    """Rather than left at random."""
    learner = make(ddpg)
    path = learner.save(str(tmp_path / "learner"))
    learner.agent._hidden = types.MappingProxyType({"a": SomeModule()})
    with pytest.raises(CheckpointError, match="Make each network an attribute of the agent"):
        begin_from(learner, path, "all")


def test_the_setting_by_which_networks_differ_is_named(tmp_path):
    path = make(iq).save(str(tmp_path / "learner"))
    with pytest.raises(CheckpointError, match=r"num_values = 1 \(here 2\)"):
        begin_from(make(iq, num_values=2), path, "all")


def test_an_average_begins_as_the_policy_that_was_taken(tmp_path):
    first = make(ddpg, seed=1)
    other = make(ddpg, seed=2, evaluation_average=0.1)
    begin_from(other, first.save(str(tmp_path / "learner")), "all")
    np.testing.assert_array_equal(other.evaluation_parameters(), first.parameters())


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
    config = first.agent._config
    other = LEARNERS.take(applied(ddpg.Agent, config), config, seed=2)
    begin_from(other, path, "policy")
    s = make_transitions(5).observation
    np.testing.assert_array_equal(other.agent.policy(s).mode(), first.agent.policy(s).mode())
    # Count and variance too: what is seen next is merged into all that was seen before.
    for one, another in zip(statistics(other), statistics(first), strict=True):
        np.testing.assert_array_equal(one, another)
    mean = other.agent.policy._mean.numpy()
    far = far_transitions()
    other.step(far)
    share = 16 / (16 + 16 * 3)
    moved = mean + share * (far.observation[0].mean(0) - mean)
    np.testing.assert_allclose(other.agent.policy._mean, moved, rtol=1e-4)
    # A critic sees the same numbers.
    last = make(ddpg, seed=3, normalize_observations=True)
    taken = begin_from(last, path, "critic")
    assert any(text.startswith("_observations (") for text in taken)
    for one, another in zip(statistics(last), statistics(first), strict=True):
        np.testing.assert_array_equal(one, another)
    np.testing.assert_array_equal(
        last.agent.action_value(s, make_transitions(5).action),
        first.agent.action_value(s, make_transitions(5).action),
    )


@pytest.mark.parametrize("part", ["all", "policy", "critic"])
def test_networks_without_the_statistics_of_their_inputs_are_told_of(part, tmp_path):
    first = make(ddpg, seed=1, normalize_observations=True)
    path = first.save(str(tmp_path / "learner"))
    taken = warm_start.take(make(ddpg, seed=2).agent, path, part)
    assert "no statistics (normalize_observations = True there, False here)" in taken


@pytest.mark.parametrize(
    ("part", "setting", "attribute"),
    [
        ("all", "normalize_observations", "_observations"),
        ("critic", "normalize_observations", "_observations"),
        ("policy", "scale_rewards", "_returns"),
    ],
)
def test_statistics_that_are_not_taken_start_with_the_first_batch(
    part, setting, attribute, tmp_path
):
    first = make(ddpg, seed=1, scale_rewards=part == "policy")
    other = make(ddpg, seed=2, **{setting: True})
    begin_from(other, first.save(str(tmp_path / "learner")), part)
    batch = far_transitions()
    returns = 50.0 + np.arange(16, dtype=np.float32)[None]
    if setting == "scale_rewards":
        batch = batch._replace(extras={"running_return": returns})
    skipped_step(other, batch)
    expected = returns[0] if setting == "scale_rewards" else batch.observation[0]
    of = getattr(other.agent, attribute)
    np.testing.assert_allclose(of.mean, expected.mean(axis=0, keepdims=of.mean.shape[0] == 1))
    np.testing.assert_allclose(1.0 / of.scale, expected.std(axis=0), rtol=1e-3)


FLOW: dict[str, Any] = {"num_couplings": 2, "coupling_hidden_sizes": (8,)}


@pytest.mark.parametrize(
    ("agent", "settings"), [(iq, {"policy": "flow", **FLOW}), (quinoa, {"num_values": 2, **FLOW})]
)
@pytest.mark.parametrize("part", ["all", "policy", "critic"])
def test_the_first_batch_initialises_the_networks_that_were_not_taken(
    agent, settings, part, tmp_path
):
    first, other, alone = (make(agent, seed=seed, **settings) for seed in (1, 2, 2))
    for variable in first.agent.variables:
        if variable.dtype.is_floating:
            variable.assign_add(tf.ones_like(variable))
    before = numbered(other)
    taken = {v.ref() for v in warm_start.variables_of(other.agent, part)}
    begin_from(other, first.save(str(tmp_path / "learner")), part)
    skipped_step(other, make_transitions(1, 16))
    alone.agent.initialize(
        tf.nest.map_structure(lambda x: tf.constant(x[0]), make_transitions(1, 16))
    )
    changed = set()
    for variable, theirs, own, name in zip(
        other.agent.variables, first.agent.variables, alone.agent.variables, before, strict=True
    ):
        is_taken = variable.ref() in taken
        np.testing.assert_array_equal(variable, theirs if is_taken else own, err_msg=name)
        if not is_taken and not np.array_equal(variable, before[name]):
            changed.add(name)
    # IQ's values begin as they are.
    assert bool(changed) == (part == "critic" or (part == "policy" and agent is quinoa))


def test_after_a_reset_the_first_batch_initialises_all(tmp_path):
    settings = {"policy": "flow", "reset_period": 5, **FLOW}
    first, other = (make(iq, seed=seed, **settings) for seed in (1, 2))
    begin_from(other, first.save(str(tmp_path / "learner")), "all")
    other._reset()
    before = other.parameters()
    skipped_step(other, make_transitions(1, 16))
    assert np.any(other.parameters() != before)


def test_the_target_of_a_part_of_a_policy_goes_with_the_policies(learned):
    _, path = learned(meow)
    names = {
        part: {text.partition(" ")[0] for text in begin_from(make(meow, seed=2), path, part)}
        for part in ("policy", "critic")
    }
    assert names == {
        "policy": {"policy", "_target_log_stddev"},
        "critic": {"_shifts", "_target_shifts"},
    }


@pytest.mark.parametrize("theirs", [{}, {"normalize_observations": True}, {"scale_rewards": True}])
@pytest.mark.parametrize("ours", [{}, {"normalize_observations": True, "scale_rewards": True}])
def test_statistics_are_taken_where_both_have_them(theirs, ours, tmp_path):
    first, other = make(ddpg, seed=1, **theirs), make(ddpg, seed=2, **ours)
    for learner, number in ((first, 5.0), (other, 7.0)):
        for name in ("_observations", "_returns"):
            if getattr(learner.agent, name, None) is not None:
                getattr(learner.agent, name)._count.assign(number)
    taken = begin_from(other, first.save(str(tmp_path / "learner")), "all")
    for one, another in zip(
        unwrapped(other.agent).variables, unwrapped(first.agent).variables, strict=True
    ):
        np.testing.assert_array_equal(one, another)
    for setting, name in STATISTICS.items():
        told = f"no statistics ({setting} = {setting in theirs} there, {setting in ours} here)"
        assert (told in taken) == ((setting in theirs) != (setting in ours))
        if setting in ours:
            assert float(getattr(other.agent, name)._count) == (5.0 if setting in theirs else 7.0)


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
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        begin_from(make(ddpg), str(tmp_path / "nothing"), "policy")


@pytest.mark.parametrize(
    ("theirs", "ours", "part", "setting"),
    [
        ({"layer_norm": True}, {}, "policy", "layer_norm = True"),
        ({"layer_norm": "first"}, {"layer_norm": True}, "critic", "layer_norm = first"),
        ({"value_limit": 60.0}, {"value_limit": 120.0}, "all", "value_limit = 60.0"),
        ({"value_limit": 60.0}, {"value_limit": 120.0}, "policy", None),
    ],
)
def test_the_same_weights_are_not_taken_for_another_function(theirs, ours, part, setting, tmp_path):
    bins = {"value_bins": 21} if "value_limit" in theirs else {}
    path = make(iq, **bins, **theirs).save(str(tmp_path / "checkpoint"))
    learner = make(iq, seed=1, **bins, **ours)
    if setting is None:
        assert begin_from(learner, path, part)
        return
    before = values(learner)
    with pytest.raises(CheckpointError, match=f"have {setting}, and this agent has .* another fun"):
        warm_start.take(learner.agent, path, part)
    for name, numbers in values(learner).items():
        np.testing.assert_array_equal(numbers, before[name])


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
