from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import graphs


def is_converted() -> bool:
    status = tf.__internal__.autograph.control_status_ctx().status
    return bool(status.name == "ENABLED")


def test_a_function_is_traced_once_and_as_it_is():
    traced = []

    def double(x):
        traced.append(is_converted())
        return 2 * x

    function = graphs.trace(double, tf.constant(1.0))
    assert [float(function(tf.constant(x))) for x in (1.0, 2.0)] == [2.0, 4.0]
    assert traced == [False]


def test_autograph_helps_where_a_condition_is_a_tensor():
    traced = []

    def collatz(n):
        traced.append(is_converted())
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n //= 2
            else:
                n = 3 * n + 1
            steps += 1
        return steps

    function = graphs.trace(collatz, tf.constant(6))
    assert [int(function(tf.constant(n))) for n in (6, 7, 1)] == [8, 16, 0]
    assert traced == [False, True]


def test_specs_are_what_it_can_be_called_with():
    function = graphs.trace(tf.reduce_sum, tf.TensorSpec([None], tf.float32))
    assert float(function(tf.ones([5]))) == 5.0
    with pytest.raises((TypeError, ValueError)):
        function(tf.ones([5, 1]))


def test_an_error_is_the_functions_own():
    def fails(x):
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        graphs.trace(fails, tf.constant(1.0))


def test_nothing_is_traced_where_operations_are_to_run_at_once():
    traced = []

    def double(x):
        traced.append(tf.inside_function())
        return 2 * x

    with graphs.eagerly():
        function = graphs.trace(double, tf.TensorSpec([], tf.float32))
        assert [float(function(tf.constant(x))) for x in (1.0, 2.0)] == [2.0, 4.0]
    assert traced == [False, False]
    graphs.trace(double, tf.TensorSpec([], tf.float32))
    assert traced[2:] == [True]


def test_whether_graphs_are_rewritten_is_as_before_afterwards():
    def is_rewritten() -> bool:
        options = tf.config.optimizer.get_experimental_options()
        return not options.get("disable_meta_optimizer", False)

    before = is_rewritten()
    for is_wanted in (True, False):
        with graphs.run_as_traced(is_wanted), pytest.raises(KeyError):
            assert is_rewritten() != is_wanted
            with graphs.run_as_traced(not is_wanted):
                assert is_rewritten() == is_wanted
                raise KeyError
        assert is_rewritten() == before


@pytest.mark.parametrize("jit_compile", [False, True])
def test_something_is_done_if_a_condition_holds(jit_compile):
    variable = tf.Variable(np.float32(1.0))

    def body(times):
        graphs.do_if(times > 0, lambda: variable.assign_add(times))
        return variable.read_value()

    function = graphs.trace(body, tf.constant(0.0), jit_compile=jit_compile)
    assert [float(function(tf.constant(x))) for x in (-1.0, 2.0, 0.0)] == [1.0, 3.0, 3.0]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_function_is_told_that_xla_compiles_it(jit_compile):
    told = []

    def body(x):
        # AutoGraph is needed, so this is traced twice.
        told.append(graphs.are_for_xla())
        if x > 0.0:
            x += 1.0
        return x

    assert float(graphs.trace(body, tf.constant(0.5), jit_compile=jit_compile)(0.5)) == 1.5
    assert set(told) == {jit_compile}
    assert not graphs.are_for_xla()


def test_what_xla_cannot_compile_is_named():
    matrix = tf.eye(2)
    assert graphs.missing_in_xla(tf.linalg.matmul, matrix, matrix) is None
    assert graphs.missing_in_xla(tf.linalg.det, matrix) == "MatrixDeterminant"
    with pytest.raises(ValueError, match="must be equal"):
        graphs.missing_in_xla(lambda m: m @ tf.eye(3), matrix)
