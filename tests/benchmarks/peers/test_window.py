"""The scripts in benchmarks/peers have an interpreter of their own: so have these tests."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def in_its_interpreter(request):
    """Runs code beside the peers' scripts; returns what it prints, as JSON."""

    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=request.config.rootpath / "benchmarks/peers",
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("flags", [["--count_products"], []])
def test_a_peer_is_timed_once_it_has_warmed_up_by_its_own_counters(in_its_interpreter, flags):
    code = """
import argparse, json, time
from window import Window, add_flags
parser = argparse.ArgumentParser()
add_flags(parser)
flags = parser.parse_args(["--learning_starts=100", "--seconds=10", *FLAGS])
clock, steps = [0.0], 0
time.monotonic = lambda: clock[0]
# From step 100 on a gradient step for each step, and each takes four times as long.
window = Window(flags, lambda: steps - 100)
while not window.is_over(steps):
    steps += 1
    clock[0] += 0.25 if steps > 100 else 0.0625
print(json.dumps({**window.figures, "all": steps}))
"""
    figures = in_its_interpreter(code.replace("FLAGS", str(flags)))
    assert figures["steps_per_second"] == figures["updates_per_second"] == 4.0
    assert figures["steps"] == 40
    # The steps before learning, those that warm up, the settling, the window; then the products.
    assert figures["all"] == 100 + 50 + 20 + 40 + 12 * len(flags)
    assert ("gflop" in figures) is bool(flags)


def test_the_products_of_a_compiled_function_of_jax_and_of_its_gradient_are_counted(
    in_its_interpreter,
):
    code = """
import json
import jax, jax.numpy as jnp
import matrix_products

@jax.jit
def loss(first, second, inputs):
    return (jnp.maximum(inputs @ first, 0.0) @ second).sum()

step = jax.jit(jax.grad(loss, argnums=(0, 1)))
arguments = jnp.ones((3, 4)), jnp.ones((4, 5)), jnp.ones((7, 3))
step(*arguments)
counter = matrix_products.Counter()
counter.start()
step(*arguments)
step(*arguments)
print(json.dumps(counter.stop()))
"""
    first, second = 2 * 7 * 3 * 4, 2 * 7 * 4 * 5
    # Forwards; backwards to both layers' weights, and to the hidden layer.
    assert in_its_interpreter(code) == 2 * (first + second + first + 2 * second)
