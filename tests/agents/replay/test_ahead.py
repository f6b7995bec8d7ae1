"""Items that a thread draws ahead: one of them, until it is told to end or the dataset fails."""

import threading
import time

import pytest
import tensorflow as tf

from quinoa.agents.replay.ahead import drawn_ahead
from tests.agents.replay.helpers import drawing_threads
from tests.agents.waiting import wait_until


def counting(drawn: list[int]):
    """A dataset's maker: 0, 1, 2, …; each is noted when it is drawn."""

    def note(number):
        drawn.append(int(number))
        return number

    def make(stopped):
        numbers = tf.data.Dataset.counter().take_while(lambda _: tf.logical_not(stopped))
        options = tf.data.Options()
        # TensorFlow's own would draw further ahead.
        options.autotune.enabled = False
        noted = numbers.map(lambda number: tf.py_function(note, [number], tf.int64))
        return noted.with_options(options)

    return make


def test_one_item_is_drawn_ahead_and_no_more():
    drawn: list[int] = []
    expected = [0]
    items = drawn_ahead(counting(drawn), None)
    for number in range(3):
        assert int(next(items)) == number
        expected.append(number + 1)
        wait_until(lambda: len(drawn) >= len(expected))
        time.sleep(0.05)
        assert drawn == expected
    items.close()


def test_what_the_dataset_raises_comes_after_the_items_before_it():
    def make(_):
        return tf.data.Dataset.from_tensor_slices([1.0, float("nan")]).map(
            lambda x: tf.debugging.check_numerics(x, "not a number")
        )

    items = drawn_ahead(make, None)
    assert float(next(items)) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
        next(items)


def test_it_stops_while_there_is_no_item():
    stop = threading.Event()

    def make(stopped):
        # Nothing passes, and the dataset ends when it is told to.
        numbers = tf.data.Dataset.counter().take_while(lambda _: tf.logical_not(stopped))
        return numbers.filter(lambda _: False)

    threading.Timer(0.2, stop.set).start()
    assert list(drawn_ahead(make, stop.is_set)) == []
    wait_until(lambda: drawing_threads() == [])


def test_close_ends_the_thread():
    items = drawn_ahead(counting([]), None)
    next(items)
    items.close()
    assert drawing_threads() == []
