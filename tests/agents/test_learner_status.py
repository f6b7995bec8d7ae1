import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.learner_status import LearnerStatus


@pytest.fixture
def variables():
    return [tf.Variable(tf.zeros([2, 3]), name="a"), tf.Variable([1.0], name="b")]


@pytest.fixture
def counts():
    return [tf.Variable(number, dtype=tf.int64) for number in (7, 2)]


@pytest.fixture
def status(counts, variables):
    steps, skipped = counts
    return LearnerStatus(steps, skipped, variables, jit_compile=False)


def spoil(variable):
    variable.assign(tf.fill(variable.shape, np.nan))


def seen(status):
    return status.steps, status.skipped, status.is_finite


def test_without_a_call_it_is_of_the_variables_as_they_are(status, counts, variables):
    assert seen(status) == (7, 2, True)
    counts[0].assign(8)
    spoil(variables[1])
    assert seen(status) == (8, 2, False)


def test_it_is_of_the_last_call_until_that_is_forgotten(status, counts, variables):
    status.keep(tf.function(status.in_graph)())
    counts[1].assign(3)
    spoil(variables[0])
    assert seen(status) == (7, 2, True)
    # The names are of now.
    assert status.not_finite() == ["a"]
    assert status.not_finite() == ["a"]
    status.forget()
    assert seen(status) == (7, 3, False)
