import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import averaging, crossq, iq, protocol, sql
from tests.agents.fixtures import make_transitions
from tests.agents.learners import LearnerPool

RATE = 0.3
CONFIG = iq.Config(batch_size=16, hidden_sizes=(8,), evaluation_average=RATE)
LEARNERS = LearnerPool()


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def formula(history):
    """Kingma & Ba's, of all parameters since the first step."""
    weights = RATE * (1.0 - RATE) ** np.arange(len(history))[::-1]
    return weights @ np.stack(history) / (1.0 - (1.0 - RATE) ** len(history))


class Numbers(protocol.Policy):
    """Two variables, and a third one with a schedule."""

    def __init__(self, with_schedule=False):
        super().__init__()
        self.matrix = tf.Variable(tf.zeros([2, 3]))
        self.statistic = tf.Variable(tf.zeros([2]), trainable=False)
        if with_schedule:
            self.stage = tf.Variable([4.0], trainable=False)

    def __call__(self, observation):
        return None

    def scheduled(self):
        return (self.stage,) if hasattr(self, "stage") else ()


def test_it_is_the_average_of_the_formula():
    numbers, rng, history = Numbers(), np.random.default_rng(0), []
    average = averaging.Average(numbers, RATE)
    for _ in range(8):
        values = rng.normal(size=8).astype(np.float32)
        numbers.matrix.assign(values[:6].reshape(2, 3))
        numbers.statistic.assign(values[6:])
        average.follow(numbers)
        history.append(values)
        np.testing.assert_allclose(average.parameters(), formula(history), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("traced", [False, True])
def test_what_has_a_schedule_is_as_it_is_now(traced):
    numbers = Numbers(with_schedule=True)
    average = averaging.Average(numbers, RATE)
    follow = lambda: average.follow(numbers)  # noqa: E731
    follow = tf.function(follow) if traced else follow
    for stage in (3.0, 2.0, 1.0):
        numbers.stage.assign([stage])
        numbers.matrix.assign(tf.fill([2, 3], stage))
        follow()
        averages = dict(zip([v.ref() for v in numbers.variables], average._averages, strict=True))
        assert averages[numbers.stage.ref()].numpy() == [stage]
    assert 1.1 < averages[numbers.matrix.ref()].numpy().max() < 2.9


def test_the_noise_of_an_average_policy_is_of_as_many_as_the_actors_now():
    config = sql.Config(
        batch_size=16,
        hidden_sizes=(8,),
        num_particles=2,
        num_value_samples=2,
        noise_set_size=6,
        alpha_steps=4,
        evaluation_average=RATE,
    )
    learner = LEARNERS.take(sql.Agent, config)
    learner.step(make_transitions(3, 16))
    policy = learner.agent.policy
    assert 1.0 < policy.set_size.numpy() < 6.0
    (index,) = [i for i, v in enumerate(policy.variables) if v is policy.set_size]
    assert learner._average is not None
    assert learner._average._averages[index].numpy() == policy.set_size.numpy()


@pytest.mark.parametrize("rate", [1e-4, 1e-7])
def test_a_small_rate_is_the_mean_at_first(rate):
    numbers = Numbers()
    average = averaging.Average(numbers, rate)
    for value in (1.0, 2.0, 6.0):
        numbers.statistic.assign([value, 0.0])
        average.follow(numbers)
    assert average.parameters()[6] == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("agent_class", "config"),
    [
        (iq.Agent, CONFIG),
        (iq.Agent, dataclasses.replace(CONFIG, normalize_observations=True)),
        (
            crossq.Agent,
            crossq.Config(
                batch_size=16,
                hidden_sizes=(8,),
                critic_hidden_sizes=(8,),
                evaluation_average=RATE,
            ),
        ),
    ],
    ids=["iq", "normalised", "crossq"],
)
def test_a_learner_averages_what_actors_have_over_its_steps(agent_class, config):
    one = LEARNERS.take(agent_class, config)
    batches, history = make_transitions(6, 16), []
    for k in range(6):
        one.step(tf.nest.map_structure(lambda field: field[k : k + 1], batches))  # noqa: B023
        history.append(one.parameters())
    by_single_steps = one.evaluation_parameters()
    np.testing.assert_allclose(by_single_steps, formula(history), rtol=1e-4, atol=1e-6)
    assert np.abs(by_single_steps - one.parameters()).max() > 1e-4
    LEARNERS.give_back()
    fused = LEARNERS.take(agent_class, config)
    fused.step(batches)
    np.testing.assert_array_equal(fused.evaluation_parameters(), by_single_steps)


def test_it_changes_nothing_of_what_is_learned():
    plain = LEARNERS.take(iq.Agent, dataclasses.replace(CONFIG, evaluation_average=0.0))
    averaged = LEARNERS.take(iq.Agent, CONFIG)
    for learner in (plain, averaged):
        learner.step(make_transitions(3, 16))
    np.testing.assert_array_equal(averaged.parameters(), plain.parameters())
    assert averaged.has_average and not plain.has_average
    np.testing.assert_array_equal(plain.evaluation_parameters(), plain.parameters())


def test_a_step_that_is_skipped_is_not_averaged():
    learner = LEARNERS.take(iq.Agent, CONFIG)
    learner.step(make_transitions(3, 16))
    before = learner.evaluation_parameters()
    transitions = make_transitions(3, 16)
    learner.step(transitions._replace(reward=np.full_like(transitions.reward, np.nan)))
    np.testing.assert_array_equal(learner.evaluation_parameters(), before)


def test_a_checkpoint_has_it_and_one_that_is_not_finite_is_found(tmp_path):
    learner, other = (LEARNERS.take(iq.Agent, CONFIG, seed) for seed in (0, 1))
    learner.step(make_transitions(3, 16))
    other.restore(learner.save(str(tmp_path / "checkpoint")))
    for each in (learner, other):
        each.step(make_transitions(3, 16, seed=1))
    np.testing.assert_array_equal(other.evaluation_parameters(), learner.evaluation_parameters())
    assert learner.not_finite() == []
    average = learner._average
    assert average is not None
    average._averages[0].assign(np.nan * average._averages[0])
    assert learner.not_finite() == ["learner/average/average_0"]
