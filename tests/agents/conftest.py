"""Tests of agents begin with the same random numbers each time."""

from __future__ import annotations

import pytest
import tensorflow as tf


@pytest.fixture(autouse=True, scope="module")
def _a_module_begins_with_a_seed():
    """Networks start at random, and a test's bound may be missed with one start in thousands.

    Once for a module, which one process runs in order: to set the seed has TensorFlow forget the
    kernels that it has made, which before each test takes a seventh of the tests' time.
    """
    tf.random.set_seed(0)
