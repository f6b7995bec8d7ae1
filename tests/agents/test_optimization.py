import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import iq, optimization, sac
from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.learner import Learner
from quinoa.agents.optimizers import SGD, Adam, RMSProp
from quinoa.agents.protocol import ParameterGroup
from tests.agents.fixtures import make_spec, make_transitions

CONFIG = iq.Config(batch_size=16, hidden_sizes=(8,), learning_rate=1e-3)


def factors(kind, final, done, of=100):
    config = OffPolicyConfig(learning_rate_schedule=kind, learning_rate_final=final)
    schedule = optimization.schedule(config, of)
    assert schedule is not None
    return [float(schedule(tf.constant(each, tf.int64))) for each in done]


class TestSchedule:
    def test_a_line(self):
        found = factors("linear", 0.1, (0, 25, 50, 100))
        np.testing.assert_allclose(found, (1.0, 0.775, 0.55, 0.1), rtol=1e-6)

    def test_half_a_period_of_a_cosine(self):
        found = factors("cosine", 0.2, (0, 25, 50, 100))
        expected = [0.2 + 0.8 * 0.5 * (1.0 + math.cos(math.pi * x)) for x in (0, 0.25, 0.5, 1)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.parametrize("kind", ["linear", "cosine"])
    def test_it_stays_where_it_ended(self, kind):
        np.testing.assert_allclose(factors(kind, 0.0, (100, 101, 10**6)), 0.0, atol=1e-6)

    def test_without_the_length_of_the_run_there_is_none(self):
        config = OffPolicyConfig(learning_rate_schedule="linear")
        with pytest.raises(ValueError, match="'linear' needs to know how many gradient steps"):
            optimization.schedule(config, None)
        assert optimization.schedule(OffPolicyConfig(), None) is None


def moved(num_steps, rate=0.1, gradient=1.0, initial=2.0, **settings):
    """A matrix and a vector that SGD moves along the same gradients, in a graph."""
    matrix, vector = tf.Variable([[initial]]), tf.Variable([initial])
    group = ParameterGroup("loss", (matrix, vector), rate, optimizer=SGD())
    steps = tf.Variable(0, dtype=tf.int64)
    optimizers = optimization.Optimization([group], OffPolicyConfig(**settings), steps, 4)

    @tf.function
    def step():
        steps.assign_add(1)
        gradients = [tf.fill(v.shape, gradient) for v in group.variables]
        optimizers.apply({"loss": gradients}, [tf.linalg.global_norm(gradients)])

    for _ in range(num_steps):
        step()
    return float(matrix), float(vector)


class TestApply:
    def test_matrices_shrink_by_rate_and_decay_apart_from_their_gradients(self):
        expected = 2.0
        for _ in range(3):
            expected -= 0.1 * 0.5 * expected + 0.1 * 1.0
        matrix, vector = moved(3, weight_decay=0.5)
        assert matrix == pytest.approx(expected, rel=1e-6)
        # A bias does not.
        assert vector == pytest.approx(2.0 - 3 * 0.1, rel=1e-6)

    def test_the_first_step_has_the_whole_rate_and_the_schedule_scales_the_decay(self):
        settings = {"learning_rate_schedule": "linear", "learning_rate_final": 0.2}
        expected, plain = 2.0, 2.0
        for rate in 0.1 * np.array([1.0, 0.8, 0.6, 0.4, 0.2, 0.2]):
            expected -= rate * 0.5 * expected + rate
            plain -= rate
        matrix, vector = moved(6, weight_decay=0.5, **settings)
        assert (matrix, vector) == pytest.approx((expected, plain), rel=1e-5)

    def test_a_schedule_multiplies_a_rate_that_the_agent_moves(self):
        rate = tf.Variable(0.1)
        settings = {"learning_rate_schedule": "linear"}
        _, vector = moved(2, rate=rate.read_value, **settings)
        assert vector == pytest.approx(2.0 - 0.1 - 0.075, rel=1e-6)

    def test_a_variable_without_a_gradient_does_not_decay(self):
        matrix = tf.Variable([[2.0]])
        used = tf.Variable([[2.0]])
        group = ParameterGroup("loss", (matrix, used), 0.1, optimizer=SGD())
        config = OffPolicyConfig(weight_decay=0.5)
        optimizers = optimization.Optimization([group], config, tf.Variable(1, dtype=tf.int64))
        optimizers.apply({"loss": [None, tf.zeros([1, 1])]}, [tf.constant(0.0)])
        assert float(matrix) == 2.0
        assert float(used) == pytest.approx(1.9)


def learned(config, calls=2, **options):
    learner = Learner(iq.Agent, config, make_spec(), seed=0, **options)
    for call in range(calls):
        metrics = learner.step(make_transitions(2, 16, seed=call))
    return learner, metrics


class TestLearner:
    def test_with_a_rate_of_zero_decay_changes_nothing(self):
        """As it is multiplied by the learning rate, a schedule that has come to 0 ends it too."""
        config = dataclasses.replace(CONFIG, weight_decay=0.1, learning_rate_schedule="cosine")
        learner, metrics = learned(config, gradient_steps=4)
        assert 0.0 < float(metrics["learning_rate_factor"]) < 0.2
        before = learner.parameters()
        metrics = learner.step(make_transitions(2, 16, seed=9))
        assert float(metrics["learning_rate_factor"]) == 0.0
        np.testing.assert_array_equal(learner.parameters(), before)

    def test_decay_makes_weights_smaller_and_leaves_biases(self):
        """Adam's first steps depend on the gradients' signs alone, which the decay hardly moves."""
        plain, metrics = learned(CONFIG, calls=1)
        decayed, _ = learned(dataclasses.replace(CONFIG, weight_decay=50.0), calls=1)
        assert "learning_rate_factor" not in metrics
        initial = Learner(iq.Agent, CONFIG, make_spec(), seed=0)
        for ours, without, start in zip(
            *(learner.agent.policy.trainable_variables for learner in (decayed, plain, initial)),
            strict=True,
        ):
            # Two steps of 1e-3 · 50 each.
            lost = (1 - 0.95**2) * start.numpy() if start.shape.rank == 2 else 0.0
            np.testing.assert_allclose(ours, without - lost, atol=5e-3)

    def test_a_checkpoint_of_it_continues_the_same(self, tmp_path):
        config = dataclasses.replace(CONFIG, weight_decay=0.1, learning_rate_schedule="linear")
        one, _ = learned(config, gradient_steps=10)
        other = Learner(iq.Agent, config, make_spec(), seed=1, gradient_steps=10)
        other.restore(one.save(str(tmp_path / "checkpoint")))
        for each in (one, other):
            each.step(make_transitions(2, 16, seed=9))
        for ours, theirs in zip(one.state, other.state, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_one_schedule_is_of_all_losses(self):
        config = sac.Config(batch_size=16, hidden_sizes=(8,), learning_rate_schedule="linear")
        learner = Learner(sac.Agent, config, make_spec(), seed=0, gradient_steps=1)
        learner.step(make_transitions(1, 16))
        before = [variable.numpy() for group in learner._groups for variable in group.variables]
        learner.step(make_transitions(2, 16))
        after = [variable for group in learner._groups for variable in group.variables]
        for old, new in zip(before, after, strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "optimizer", [Adam(), RMSProp(), RMSProp(tensorflow_1=True), RMSProp(centered=True)]
)
def test_after_a_restart_it_is_as_new(optimizer):
    variable = tf.Variable([[1.0, 2.0]])
    group = ParameterGroup("loss", (variable,), 0.1, optimizer=optimizer)
    steps = tf.Variable(1, dtype=tf.int64)
    optimizers = optimization.Optimization([group], OffPolicyConfig(), steps)
    found = []
    for _ in range(2):
        variable.assign([[1.0, 2.0]])
        for gradient in (3.0, 5.0):
            optimizers.apply({"loss": [tf.fill([1, 2], gradient)]}, [tf.constant(gradient)])
        found.append(variable.numpy())
        optimizers.restart()
    np.testing.assert_array_equal(*found)
