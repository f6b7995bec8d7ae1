"""Tests of agents begin with the same random numbers each time."""

from __future__ import annotations

import pytest
import tensorflow as tf


@pytest.fixture(autouse=True, scope="module")
def _a_module_begins_with_a_seed():
    """Before what a module shares among its tests is made."""
    tf.random.set_seed(0)


@pytest.fixture(autouse=True)
def _a_test_begins_with_a_seed():
    """Networks start at random, and a bound of a test may be missed with one start in thousands."""
    tf.random.set_seed(0)
