import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import targets


def variables(*values):
    return [tf.Variable(np.float32(value)) for value in values]


def test_copy():
    online, target = variables([1.0, 2.0], 3.0), variables([0.0, 0.0], 0.0)
    targets.copy(online, target)
    np.testing.assert_array_equal(target[0], [1.0, 2.0])
    np.testing.assert_array_equal(target[1], 3.0)
    online[1].assign(4.0)
    np.testing.assert_array_equal(target[1], 3.0)


def test_smooth_moves_by_rate_of_the_way():
    online, target = variables([1.0, -2.0]), variables([0.0, 2.0])
    targets.smooth(online, target, 0.25)
    np.testing.assert_allclose(target[0], [0.25, 1.0])
    np.testing.assert_array_equal(online[0], [1.0, -2.0])
    for _ in range(9):
        targets.smooth(online, target, 0.25)
    # (1 - rate)^n of the distance is left.
    np.testing.assert_allclose(target[0], [1.0 - 0.75**10, -2.0 + 4.0 * 0.75**10], rtol=1e-5)


@pytest.mark.parametrize("rate, expected", [(0.0, 5.0), (1.0, 1.0)])
def test_smooth_at_the_ends_of_its_range(rate, expected):
    online, target = variables(1.0), variables(5.0)
    targets.smooth(online, target, rate)
    np.testing.assert_array_equal(target[0], expected)


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("period", [1, 3])
def test_periodic_copies_at_multiples_of_the_period_only(in_graph, period):
    online, target = variables(0.0), variables(0.0)

    def step(count):
        online[0].assign(tf.cast(count, tf.float32))
        return targets.periodic(online, target, period, count)

    if in_graph:
        step = tf.function(step)
    for count in range(1, 8):
        copied = bool(step(tf.constant(count, tf.int64)))
        assert copied == (count % period == 0)
        np.testing.assert_array_equal(target[0], count - count % period)


@pytest.mark.parametrize("rule", [targets.copy, lambda a, b: targets.smooth(a, b, 0.1)])
def test_as_many_targets_as_online_variables(rule):
    with pytest.raises(ValueError):
        rule(variables(1.0, 2.0), variables(1.0))
