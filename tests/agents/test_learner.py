import dataclasses
import json
import os
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import graphs, iq, learner_checkpoint, protocol, quinoa, sac, targets
from quinoa.agents.learner import Learner
from quinoa.agents.learner_checkpoint import CheckpointError
from quinoa.agents.policies import TanhGaussianPolicy
from tests.agents.fixtures import make_spec, make_transitions
from tests.agents.learners import LearnerPool

pytestmark = pytest.mark.optimized_graphs

K = 4

SMALL: dict[str, Any] = {"batch_size": 16}
SMALL_FLOW: dict[str, Any] = {"num_couplings": 2, "coupling_hidden_sizes": (8,), **SMALL}
# Periods such that targets move several times within a fused call, and between calls.
AGENTS: dict[str, Any] = {
    "iq": (iq.Agent, iq.Config(hidden_sizes=(16,), alpha=0.9, **SMALL)),
    "iq_flow": (
        iq.Agent,
        dataclasses.replace(iq.PRESETS["iq_flow"], hidden_sizes=(16,), **SMALL_FLOW),
    ),
    "quinoa": (
        quinoa.Agent,
        quinoa.Config(prior_period=3, num_dual_actions=4, hidden_sizes=(16,), **SMALL_FLOW),
    ),
    # Several losses, which draw actions.
    "sac": (sac.Agent, sac.Config(hidden_sizes=(16,), target_rate=0.2, **SMALL)),
}
EVERY = pytest.mark.parametrize("name", AGENTS)


class Several(protocol.Agent):
    """What learners tell agents apart by, in little: several losses, one of which draws numbers.

    A variable moves after each step, at random too, and the first batch says how it begins.
    """

    @dataclasses.dataclass(frozen=True)
    class Config(protocol.OffPolicyConfig):
        pass

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.policy = self.make_policy(config, spec)
        self.mean = tf.Variable(0.5, name="mean")
        self.target = tf.Variable(0.5, trainable=False, name="target")

    @staticmethod
    def make_policy(config, spec):
        protocol.check_spec(spec)
        return TanhGaussianPolicy(3, 2, hidden_sizes=(4,))

    def initialize(self, transitions):
        self.mean.assign(tf.reduce_mean(transitions.reward))
        self.target.assign(self.mean)

    def losses(self, transitions, seed):
        distribution = self.policy(transitions.observation)
        drawn = tf.stop_gradient(distribution.sample(seed=seed))
        error = transitions.reward + 0.5 * transitions.discount * self.target - self.mean
        return {
            "policy": tf.reduce_mean(distribution.log_prob(drawn) * tf.stop_gradient(error)),
            "mean": tf.reduce_mean(error**2),
        }

    def parameter_groups(self):
        return [
            protocol.ParameterGroup("policy", tuple(self.policy.trainable_variables), 1e-3),
            protocol.ParameterGroup("mean", (self.mean,), 1e-3),
        ]

    def after_step(self, step, transitions, seed):
        targets.smooth([self.mean], [self.target], 0.2)
        self.target.assign_add(0.01 * tf.random.stateless_normal([], seed))

    def metrics(self, transitions, seed):
        return {"drawn": self.mean + tf.random.stateless_normal([], seed)}


SMALLEST: dict[str, Any] = {"several": (Several, Several.Config(**SMALL))}
# Superbatches of K batches, or of one: each other number would be another graph to trace.
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def make(name, seed=0, jit_compile=None, **changes):
    agent_class, config = {**AGENTS, **SMALLEST}[name]
    config = dataclasses.replace(config, **changes)
    return LEARNERS.take(agent_class, config, seed, jit_compile=jit_compile)


def plain_and_compiled(name):
    """The same learner twice, the second of which XLA compiles."""
    return make(name, jit_compile=False), make(name, jit_compile=True)


def superbatch(steps, seed=0):
    return make_transitions(steps, 16, seed=seed)


def tensors(batch, k):
    """The k-th of K batches, as tensors."""
    return tf.nest.map_structure(lambda field: tf.constant(field[k]), batch)


def of_losses(metrics):
    """The losses and their gradients' norms among the metrics."""
    return {key for key in metrics if key.partition("/")[0] in ("loss", "gradient_norm")}


def part(batch, start, stop):
    return tf.nest.map_structure(lambda field: field[start:stop], batch)


def state(one):
    """Everything that a checkpoint of the learner holds, by name."""
    return [(variable.name, variable.numpy()) for variable in one.state]


def assert_same(one, other):
    for (name, mine), (_, theirs) in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


# What learners do of it, the least of agents shows: TestPeriods, TestSkippedSteps.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["iq", "iq_flow", "quinoa"])
def test_one_program_of_xla_does_the_same_steps(name):
    plain, compiled = plain_and_compiled(name)
    for seed in range(2):
        expected = plain.step(superbatch(K, seed))
        found = compiled.step(superbatch(K, seed))
    assert compiled.steps == plain.steps == 2 * K
    np.testing.assert_allclose(compiled.parameters(), plain.parameters(), atol=2e-4)
    # The other metrics are measured on samples, which XLA draws from another generator.
    for metric in ("loss", "gradient_norm", "td_error", "value"):
        np.testing.assert_allclose(found[metric], expected[metric], rtol=1e-2, atol=1e-4)


@pytest.mark.slow
def test_one_program_of_xla_does_steps_that_draw_actions_to_within_what_is_drawn():
    plain, compiled = (one.step(superbatch(K)) for one in plain_and_compiled("sac"))
    assert compiled.keys() == plain.keys()
    for metric in ("loss/critic", "loss/actor", "loss/alpha", "td_error", "value", "alpha"):
        np.testing.assert_allclose(compiled[metric], plain[metric], rtol=0.3, atol=0.1)


def assert_different(one, other):
    pairs = zip(state(one), state(other), strict=True)
    assert any(np.any(mine != theirs) for (_, mine), (_, theirs) in pairs)


class TestPrepare:
    # One without an initialisation by the first batch, and one with it.
    @pytest.mark.parametrize("name", ["iq", "several"])
    def test_changes_nothing_of_what_is_learned_to_the_last_bit(self, name):
        prepared, other = make(name), make(name)
        before = state(prepared)
        prepared.prepare(tf.nest.map_structure(np.zeros_like, superbatch(K)))
        for (variable, old), (_, new) in zip(before, state(prepared), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=variable)
        metrics = prepared.step(superbatch(K)), other.step(superbatch(K))
        assert_same(prepared, other)
        for metric, value in metrics[1].items():
            np.testing.assert_array_equal(metrics[0][metric], value, err_msg=metric)
        assert prepared.steps == K
        assert not prepared.skipped_steps

    def test_does_what_the_first_step_would_do(self, monkeypatch):
        agent_class, config = AGENTS["iq"]
        one = Learner(agent_class, config, make_spec(), 0)
        one.prepare(superbatch(K))

        def trace(*_, **__):
            raise AssertionError("traced again")

        monkeypatch.setattr(graphs, "trace", trace)
        one.step(superbatch(K))
        assert one.steps == K


class TestFusedSteps:
    # For every agent, tests/launch/checks does the same and more.
    def test_are_as_many_single_steps_to_the_last_bit(self):
        fused, single = make("iq"), make("iq")
        assert_same(fused, single)
        for call in range(2):
            batch = superbatch(K, seed=call)
            metrics = fused.step(batch)
            losses = []
            for k in range(K):
                last = single.step(part(batch, k, k + 1))
                losses.append({key: float(last[key]) for key in of_losses(last)})
            for key in of_losses(metrics):
                mean = np.mean([of_step[key] for of_step in losses])
                np.testing.assert_allclose(metrics[key], mean, rtol=1e-5)
            for key in set(metrics) - of_losses(metrics):
                np.testing.assert_array_equal(metrics[key], last[key], err_msg=key)
        assert fused.steps == single.steps == 2 * K
        assert_same(fused, single)

    def test_reduce_the_loss_of_a_batch_repeated(self):
        one = make("iq", alpha=0.0)
        batch = superbatch(1)
        # Terminal everywhere, so that the target is the reward and does not move.
        batch = batch._replace(discount=np.zeros_like(batch.discount))
        many = tf.nest.map_structure(lambda field: np.repeat(field, 200, axis=0), batch)
        first = float(one.step(many)["loss"])
        one.step(many)
        assert float(one.step(many)["loss"]) < 0.5 * first

    def test_another_seed_gives_other_parameters_and_the_same_seed_the_same(self):
        agent_class, config = AGENTS["iq"]
        one, same, other = (Learner(agent_class, config, make_spec(), seed) for seed in (3, 3, 4))
        assert_same(one, same)
        assert np.any(one.parameters() != other.parameters())


class TestCheckpoint:
    # As above.
    def test_training_goes_on_as_if_uninterrupted_to_the_last_bit(self, tmp_path):
        whole = make("iq")
        whole.step(superbatch(K, seed=1))
        path = whole.save(str(tmp_path / "checkpoint"))
        # As in another process, which has no graph yet. The seed too comes from the checkpoint.
        agent_class, config = AGENTS["iq"]
        second = Learner(agent_class, config, make_spec(), 99)
        assert_different(whole, second)
        second.restore(path)
        assert_same(whole, second)
        assert second.steps == K
        at_save = whole.parameters()
        metrics = whole.step(superbatch(K, seed=2)), second.step(superbatch(K, seed=2))
        assert_same(whole, second)
        assert metrics[0].keys() == metrics[1].keys()
        for key, value in metrics[0].items():
            np.testing.assert_array_equal(value, metrics[1][key], err_msg=key)
        assert np.any(whole.parameters() != at_save)

    def test_from_before_the_first_step_leaves_initialisation_to_the_first_batch(self, tmp_path):
        whole = make("several")
        path = whole.save(str(tmp_path / "checkpoint"))
        second = make("several", seed=99)
        second.restore(path)
        for one in (whole, second):
            one.step(superbatch(1))
        assert_same(whole, second)

    def test_into_a_learner_that_has_been_trained(self, tmp_path):
        """Nothing of what it was is left, nor a second data-dependent initialisation."""
        one, other = make("several"), make("several", seed=99)
        one.step(superbatch(1))
        path = one.save(str(tmp_path / "checkpoint"))
        other.step(superbatch(1, seed=5))
        other.restore(path)
        for each in (one, other):
            each.step(superbatch(1, seed=2))
        assert_same(one, other)

    def test_of_another_configuration_is_refused_by_the_fields_that_differ(self, tmp_path):
        one, other = make("iq"), make("iq", tau=0.5, hidden_sizes=(17,))
        before = state(other)
        with pytest.raises(CheckpointError) as error:
            other.restore(one.save(str(tmp_path / "checkpoint")))
        message = str(error.value)
        assert "tau = 0.01 (here 0.5)" in message
        assert "hidden_sizes = [16] (here [17])" in message
        assert "alpha" not in message
        for (name, old), (_, new) in zip(before, state(other), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=name)

    def test_of_another_agent_or_environment_is_refused(self, tmp_path):
        path = make("iq").save(str(tmp_path / "checkpoint"))
        with pytest.raises(CheckpointError, match=r"agents\.iq\.agent\.Agent"):
            make("quinoa").restore(path)
        agent_class, config = AGENTS["iq"]
        other = Learner(agent_class, config, make_spec(observation_size=5, action_size=1), 0)
        with pytest.raises(CheckpointError, match=r"observation size = 3 \(here 5\).*action size"):
            other.restore(path)

    def test_of_before_there_was_a_field_is_read_as_what_it_was_then(self, tmp_path):
        """`layer_norm` of IQ is such a field."""
        _, config = AGENTS["iq"]
        described = [
            learner_checkpoint.Identity(
                iq.Agent, dataclasses.replace(config, layer_norm=norm), make_spec()
            )
            for norm in (False, True)
        ]
        fields = json.loads(described[0].serialize())
        del fields["layer_norm"]
        without, with_ = (of.differences(json.dumps(fields)) for of in described)
        assert without == []
        assert with_ == ["layer_norm = False (here True)"]

    def test_that_no_learner_wrote_is_refused(self, tmp_path):
        path = tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / "checkpoint"))
        with pytest.raises(CheckpointError, match="not written by a learner"):
            make("iq").restore(path)

    @pytest.mark.parametrize("path", ["nothing", "no/such/folder", ""])
    def test_that_is_missing_is_refused(self, path, tmp_path):
        with pytest.raises(CheckpointError, match="no whole checkpoint"):
            make("iq").restore(str(tmp_path / path))

    @pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
    @pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "changed"])
    def test_that_is_damaged_is_refused_and_changes_nothing(self, suffix, damage, tmp_path):
        one, other = make("iq"), make("iq", seed=99)
        path = one.save(str(tmp_path / "checkpoint"))
        file = pathlib.Path(path + suffix)
        content = file.read_bytes()
        if damage == "missing":
            os.remove(file)
        elif damage == "empty":
            file.write_bytes(b"")
        elif damage == "truncated":
            file.write_bytes(content[: len(content) // 2])
        else:
            middle = len(content) // 2
            flipped = bytes(255 - byte for byte in content[middle : middle + 8])
            file.write_bytes(content[:middle] + flipped + content[middle + 8 :])
        before = state(other)
        with pytest.raises(CheckpointError, match="no whole checkpoint"):
            other.restore(path)
        for (name, old), (_, new) in zip(before, state(other), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=name)
        file.write_bytes(content)
        other.restore(path)
        assert_same(one, other)


class TestInitialisation:
    def test_quinoa_starts_with_q_zero_and_a_uniform_policy(self):
        one = make("quinoa")
        batch = part(superbatch(1), 0, 1)
        batch = tensors(batch, 0)
        for initialised in (False, True):
            if initialised:
                one.agent.initialize(batch)
            log_prob = one.agent.policy(batch.observation).log_prob(batch.action)
            np.testing.assert_allclose(log_prob, -2.0 * np.log(2.0), rtol=0, atol=1e-5)
            # Q = V' = 0: what is left of the TD error is the reward.
            losses = one.agent.losses(batch, tf.constant([1, 2]))
            np.testing.assert_allclose(losses["td"], np.mean(batch.reward**2), rtol=1e-5)
            metrics = one.agent.metrics(batch, tf.constant([1, 2]))
            np.testing.assert_allclose(metrics["value"], 0.0, atol=1e-6)

    def test_depends_on_the_first_batch_alone_and_happens_once(self):
        batch = superbatch(K)
        one = make("iq_flow")
        one.agent.initialize(tensors(batch, 0))
        assert np.any(one.parameters() != make("iq_flow").parameters())
        # A learning rate of (almost) 0 leaves the initialisation as it was after the steps.
        other = make("iq_flow", learning_rate=1e-30)
        with graphs.eagerly():
            other.step(part(batch, 0, 2))
            other.step(superbatch(1, seed=5))
        np.testing.assert_allclose(one.parameters(), other.parameters(), rtol=1e-5, atol=1e-6)


class TwoLosses(protocol.Agent):
    """A policy that fits actions and a scalar that fits rewards, apart, each at its own rate."""

    @dataclasses.dataclass(frozen=True)
    class Config(protocol.OffPolicyConfig):
        learn_twice: bool = False
        unknown_loss: bool = False
        period: Any = 1

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.policy = self.make_policy(config, spec)
        self.scalar = tf.Variable(0.5, name="scalar")
        self.slow = tf.Variable(0.5, name="slow")
        self.rate = tf.Variable(0.01, trainable=False, name="rate")
        self.seen = tf.Variable(tf.zeros([2, 2], tf.int32), trainable=False, name="seen")

    @staticmethod
    def make_policy(config, spec):
        protocol.check_spec(spec)
        return TanhGaussianPolicy(3, 2, hidden_sizes=(4,))

    def losses(self, transitions, seed):
        self.seen[0].assign(seed)
        log_prob = self.policy(transitions.observation).log_prob(transitions.action)
        error = transitions.reward - self.scalar - self.slow
        # Each loss reaches the other's variables: only the groups keep them apart.
        coupling = tf.reduce_mean(tf.stop_gradient(error) * log_prob) * self.scalar
        policy = 1e-3 * (coupling - tf.reduce_mean(log_prob))
        return {"policy": policy, "value": 100.0 * tf.reduce_mean(error**2), "unused": coupling}

    def parameter_groups(self):
        groups = [
            protocol.ParameterGroup(
                "policy", tuple(self.policy.trainable_variables), 1e-3, self._config.period
            ),
            protocol.ParameterGroup("value", (self.scalar,), lambda: self.rate.read_value()),
            protocol.ParameterGroup("value", (self.slow,), 1e-4),
        ]
        if self._config.learn_twice:
            groups.append(protocol.ParameterGroup("policy", (self.scalar,), 1e-3))
        if self._config.unknown_loss:
            groups[0] = groups[0]._replace(loss="polizy")
        return groups

    def after_step(self, step, transitions, seed):
        self.seen[1].assign(seed)
        self.rate.assign(0.01 / tf.cast(step + 1, tf.float32))


def two_losses(**config):
    return LEARNERS.take(TwoLosses, TwoLosses.Config(batch_size=16, **config))


def two_losses_plain_and_compiled():
    """The same learner twice, with a period within a call, the second of which XLA compiles."""
    config = TwoLosses.Config(batch_size=16, period=3)
    return (LEARNERS.take(TwoLosses, config, jit_compile=compiled) for compiled in (False, True))


class TestGroups:
    def test_each_is_trained_with_its_own_loss_at_its_own_rate(self):
        one = two_losses()
        agent = one.agent
        groups = agent.parameter_groups()
        batch = superbatch(2)
        reference = [
            tf.keras.optimizers.legacy.Adam(rate, epsilon=1e-8) for rate in (1e-3, 0.01, 1e-4)
        ]
        metrics: Any = None
        copies = [[tf.Variable(v) for v in group.variables] for group in groups]
        for k in range(2):
            one_batch = part(batch, k, k + 1)
            with tf.GradientTape(persistent=True) as tape:
                row = tensors(batch, k)
                expected = agent.losses(row, tf.constant([0, 0]))
            reference[1].learning_rate = float(agent.rate)
            for optimizer, group, copy in zip(reference, groups, copies, strict=True):
                gradients = tape.gradient(expected[group.loss], group.variables)
                optimizer.apply_gradients(zip(gradients, copy, strict=True))
            metrics = one.step(one_batch)
            for group, copy in zip(groups, copies, strict=True):
                for mine, theirs in zip(group.variables, copy, strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)
            for name in ("policy", "value"):
                np.testing.assert_allclose(metrics[f"loss/{name}"], expected[name], rtol=1e-5)
                assert metrics[f"gradient_norm/{name}"] > 0
        assert "loss" not in metrics

    def test_gradients_are_clipped_at_norm_one_a_loss_at_a_time(self):
        one, clipped = two_losses(), two_losses(max_gradient_norm=1.0)
        norms = one.step(superbatch(1)), clipped.step(superbatch(1))
        for name in ("policy", "value"):
            # What is reported is the norm before.
            key = f"gradient_norm/{name}"
            np.testing.assert_allclose(norms[0][key], norms[1][key], rtol=1e-5)
        assert norms[1]["gradient_norm/policy"] < 1.0
        assert norms[1]["gradient_norm/value"] > 10.0
        # Adam's first moment is (1 - β1) = 0.1 of the gradient that it was given.
        for indices in ([0], [1, 2]):
            optimizers = [clipped._optimization.optimizers[i] for i in indices]
            groups = [clipped._groups[i] for i in indices]
            moments = [
                optimizer.get_slot(variable, "m")
                for optimizer, group in zip(optimizers, groups, strict=True)
                for variable in group.variables
            ]
            norm = float(norms[1][f"gradient_norm/{groups[0].loss}"])
            np.testing.assert_allclose(
                10.0 * tf.linalg.global_norm(moments), min(norm, 1.0), rtol=1e-4
            )

    def test_every_step_and_purpose_has_a_seed_of_its_own(self):
        one = two_losses()
        seen: list[tuple[int, ...]] = []
        for k in range(5):
            one.step(superbatch(1, seed=k))
            seen.extend(map(tuple, one.agent.seen.numpy()))
        assert len(set(seen)) == 10

    def test_a_variable_in_two_groups_is_refused(self):
        with pytest.raises(ValueError, match=r"scalar.* more than one parameter group"):
            two_losses(learn_twice=True)

    def test_a_loss_that_there_is_not_is_refused(self):
        with pytest.raises(ValueError, match=r"'polizy'.*'policy', 'value'"):
            two_losses(unknown_loss=True).step(superbatch(1))


class TestPeriods:
    def test_a_group_moves_every_so_many_steps_by_the_gradients_of_those(self):
        one, reference = two_losses(period=2), tf.keras.optimizers.legacy.Adam(1e-3, epsilon=1e-8)
        agent = one.agent
        policy, scalar = agent.policy.trainable_variables, agent.scalar
        copy = [tf.Variable(variable) for variable in policy]
        for k in range(4):
            batch = superbatch(1, seed=k)
            row = tensors(batch, 0)
            # As the step that comes now will have them: the other group moves in between.
            _, gradients, _ = one.losses_and_gradients(row)
            if k % 2 == 1:
                reference.apply_gradients(zip(gradients["policy"], copy, strict=True))
            before = scalar.numpy()
            metrics = one.step(batch)
            assert scalar.numpy() != before
            assert metrics["gradient_norm/policy"] > 0
            for mine, theirs in zip(policy, copy, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)
        assert not np.array_equal(copy[0], two_losses().agent.policy.trainable_variables[0])

    def test_count_on_through_calls_and_checkpoints_to_the_last_bit(self, tmp_path):
        """Neither the calls' length nor the checkpoint's step is a multiple of the period."""
        fused, single, other = (two_losses(period=3) for _ in range(3))
        for call in range(2):
            batch = superbatch(K, seed=call)
            fused.step(batch)
            for k in range(K):
                single.step(part(batch, k, k + 1))
            assert_same(fused, single)
        other.restore(fused.save(str(tmp_path / "checkpoint")))
        for one in (fused, other):
            one.step(superbatch(K, seed=2))
        assert_same(fused, other)

    def test_in_one_program_of_xla(self):
        plain, compiled = two_losses_plain_and_compiled()
        for call in range(2):
            metrics = [one.step(superbatch(K, seed=call)) for one in (plain, compiled)]
        assert compiled.steps == plain.steps == 2 * K
        np.testing.assert_allclose(compiled.parameters(), plain.parameters(), atol=1e-5)
        assert metrics[0].keys() == metrics[1].keys()
        for name, value in metrics[0].items():
            np.testing.assert_allclose(metrics[1][name], value, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("period", [0, -1, 2.0, None])
    def test_that_cannot_be_is_refused(self, period):
        with pytest.raises(ValueError, match=r"'policy' has period = .* integer of at least 1"):
            two_losses(period=period)


def spoilt(batch, *steps):
    """The same superbatch with a reward that is not a number in some of its batches."""
    reward = batch.reward.copy()
    reward[list(steps), 3] = np.nan
    return batch._replace(reward=reward)


class Rooted(TwoLosses):
    """Where all rewards are 0, the loss is 0 and its gradient has no value."""

    def losses(self, transitions, seed):
        squares = self.scalar**2 * tf.reduce_mean(transitions.reward**2)
        return {**super().losses(transitions, seed), "value": tf.sqrt(squares) + 0.0 * self.slow}


class Remembering(TwoLosses):
    """Remembers the greatest reward of its batch and, with it, the scalar after the step."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.remembered = tf.Variable([0.0, 0.0], trainable=False, name="remembered")

    def losses_and_statistics(self, transitions, seed):
        finite = tf.math.is_finite(transitions.reward)
        known = transitions._replace(reward=tf.where(finite, transitions.reward, 0.0))
        greatest = tf.reduce_max(transitions.reward)
        return self.losses(known, seed), {"rewards": [greatest]}

    def keep_statistics(self, step, statistics):
        (greatest,) = statistics["rewards"]
        self.remembered.assign([greatest, self.scalar])


# One loss, and several with variables that move in `after_step` and by the first batch. The learner
# skips steps, and tells agents apart by these alone.
SKIPPING = pytest.mark.parametrize("name", ["iq", "several"])


class TestSkippedSteps:
    @SKIPPING
    def test_move_nothing_but_the_count(self, name):
        one = make(name)
        one.step(superbatch(K))
        before = state(one)
        metrics = one.step(spoilt(superbatch(K, seed=1), *range(K)))
        assert one.steps == 2 * K
        assert one.skipped_steps == K
        for (variable, old), (_, new) in zip(before, state(one), strict=True):
            if variable != one._steps.name:
                np.testing.assert_array_equal(old, new, err_msg=variable)
        assert all(np.isnan(metrics[key]) for key in of_losses(metrics))

    @SKIPPING
    def test_leave_the_steps_around_them_as_they_are(self, name):
        """K in one call are K single ones, and metrics are those of the good ones."""
        one = make(name)
        batch = spoilt(superbatch(K), 1, K - 1)
        metrics = one.step(batch)
        fused = state(one)
        assert one.skipped_steps == 2
        # As if nothing had been.
        again = one.step(superbatch(1, seed=1))
        assert all(np.isfinite(value) for value in again.values())
        assert one.not_finite() == []
        # The same object as new.
        LEARNERS.give_back()
        one = make(name)
        of_steps = [one.step(part(batch, k, k + 1)) for k in range(K)]
        assert one.skipped_steps == 2
        for (variable, expected), (_, found) in zip(fused, state(one), strict=True):
            np.testing.assert_array_equal(expected, found, err_msg=variable)
        good = [of for of in of_steps if all(np.isfinite(of[key]) for key in of_losses(of))]
        assert len(good) == K - 2
        for key in of_losses(metrics):
            np.testing.assert_allclose(metrics[key], np.mean([of[key] for of in good]), rtol=1e-5)
        assert all(np.isfinite(value) for value in metrics.values())

    def test_in_one_program_of_xla(self):
        plain, compiled = two_losses_plain_and_compiled()
        for one in (plain, compiled):
            one.step(spoilt(superbatch(K), 1))
            assert one.skipped_steps == 1
            assert one.not_finite() == []
        np.testing.assert_allclose(compiled.parameters(), plain.parameters(), atol=2e-4)

    def test_for_a_statistic_alone_and_without_keeping_it(self):
        one = Learner(Remembering, Remembering.Config(batch_size=16), make_spec(), 0)
        batch = superbatch(1)
        one.step(batch)
        # What has been seen in the pass of the losses, once the parameters have moved.
        remembered = one.agent.remembered.numpy()
        np.testing.assert_array_equal(remembered, [batch.reward.max(), one.agent.scalar.numpy()])
        assert one.agent.scalar.numpy() != 0.5
        before = [variable.numpy() for variable in one._float_variables]
        reward = batch.reward.copy()
        reward[0, 3] = np.inf
        metrics = one.step(batch._replace(reward=reward))
        assert one.skipped_steps == 1
        assert np.isnan(metrics["loss/policy"])
        for old, new in zip(before, one._float_variables, strict=True):
            np.testing.assert_array_equal(old, new)

    def test_for_a_gradient_alone_and_without_after_step(self):
        one = Learner(Rooted, Rooted.Config(batch_size=16), make_spec(), 0)
        one.step(superbatch(1))
        before = [variable.numpy() for variable in one._float_variables]
        seen = one.agent.seen[1].numpy()
        batch = superbatch(1, seed=1)
        metrics = one.step(batch._replace(reward=np.zeros_like(batch.reward)))
        # The other loss and its gradients are as good as ever.
        assert one.skipped_steps == 1
        assert np.isnan(metrics["loss/policy"])
        for old, new in zip(before, one._float_variables, strict=True):
            np.testing.assert_array_equal(old, new)
        np.testing.assert_array_equal(seen, one.agent.seen[1])
        one.step(superbatch(1))
        assert one.skipped_steps == 1


class TestNotFinite:
    @EVERY
    def test_names_whatever_is_spoilt(self, name):
        one = make(name)
        assert one.not_finite() == []
        for value, variable in (
            (np.nan, one._float_variables[0]),
            (np.inf, one._groups[0].variables[-1]),
        ):
            old = variable.numpy()
            variable.assign(np.full(variable.shape, value, np.float32))
            assert one.not_finite() == [variable.name[:-2]]
            variable.assign(old)
        slot = one._optimization.optimizers[0].variables()[-1]
        slot.assign(np.full(slot.shape, -np.inf, np.float32))
        assert one.not_finite() == [slot.name[:-2]]


class TestGoBack:
    def test_has_everything_back_but_the_number_of_steps(self, tmp_path):
        one, other = make("several"), make("several")
        one.step(superbatch(K))
        path = one.save(str(tmp_path / "checkpoint"))
        saved = state(one)
        one.step(superbatch(K, seed=1))
        one.go_back(path)
        assert one.steps == 2 * K
        for (name, old), (_, new) in zip(saved, state(one), strict=True):
            if name != one._steps.name:
                np.testing.assert_array_equal(old, new, err_msg=name)
        # So its random numbers are not those that followed the checkpoint.
        other.restore(path)
        assert np.any(one._step_seed(0) != other._step_seed(0))


def test_the_size_of_a_checkpoint_is_known_before_it_is_written(tmp_path):
    one = make("quinoa", hidden_sizes=(256, 256))
    one.save(str(tmp_path / "checkpoint"))
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written / 1.2 < one.num_bytes < written
