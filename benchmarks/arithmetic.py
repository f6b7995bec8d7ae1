"""The arithmetic of a gradient step: its matrix products, and how fast those are alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks.setting import learner_config_of, spec_of
from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checks.subject import random_transitions


class Product(NamedTuple):
    """One matrix product of the step, [m, k] × [k, n], either side as it is or transposed."""

    left: tuple[int, int]
    right: tuple[int, int]
    transpose_left: bool
    transpose_right: bool

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        rows, inner = reversed(self.left) if self.transpose_left else self.left
        columns = self.right[0] if self.transpose_right else self.right[1]
        return 2 * rows * inner * columns


def products(learner: Learner, batch: Transition) -> list[Product]:
    """The matrix products of one gradient step on such a batch, as its graph has them.

    What happens once in many steps (in a branch of the graph) is left out, and so is what
    TensorFlow leaves out: operations whose result nothing uses, such as a critic's gradients in the
    actor's loss.
    """
    spec = tf.nest.map_structure(tf.TensorSpec.from_tensor, batch)
    graph = tf.function(lambda batch: learner._one_step(batch)).get_concrete_function(spec).graph
    return [
        Product(
            tuple(operation.inputs[0].shape),
            tuple(operation.inputs[1].shape),
            operation.get_attr("transpose_a"),
            operation.get_attr("transpose_b"),
        )
        for operation in _executed(graph)
        if operation.type == "MatMul"
    ]


def _executed(graph: tf.Graph) -> list[tf.Operation]:
    """The operations of a function's graph that its outputs and its effects need."""
    operations = graph.get_operations()
    waiting = [
        *(output.op for output in graph.outputs),
        *graph.control_outputs,
        *(operation for operation in operations if operation.op_def.is_stateful),
    ]
    needed = set()
    while waiting:
        operation = waiting.pop()
        if operation not in needed:
            needed.add(operation)
            waiting.extend(value.op for value in operation.inputs)
            waiting.extend(operation.control_inputs)
    return [operation for operation in operations if operation in needed]


def flop_of_a_step(task: str, agent: str, settings: dict[str, Any]) -> int:
    """A stage: the multiplications and additions of the matrix products of a gradient step.

    Args:
        task: the environment's name.
        agent: the agent's.
        settings: those of its configuration that are not the defaults.
    """
    config, spec = learner_config_of(agent, **settings), spec_of(task)
    learner = Learner(registry.load(agent).agent_class, config, spec, seed=0)
    batch = tf.nest.map_structure(tf.constant, random_transitions(spec, *config.batch_shape))
    return sum(product.flops for product in products(learner, batch))


def beside_its_products(
    learner: Learner, superbatch: Transition
) -> tuple[Callable[[], int], Callable[[], int]]:
    """Two sides: the learner's graph on a superbatch in memory, and the graph's products alone.

    Each does a gradient step's work for each batch of the superbatch, in one graph call, and
    returns how many those are. Both have been called, so that nothing is left to trace.
    """
    count = len(superbatch.reward)
    alone = repeated(products(learner, tf.nest.map_structure(lambda x: x[0], superbatch)))
    graph = steps_of(learner, superbatch)

    def its_products() -> int:
        float(alone(count))
        return count

    for side in (graph, its_products):
        side()
    return graph, its_products


def steps_of(learner: Learner, superbatch: Transition) -> Callable[[], int]:
    """A side: the superbatch's gradient steps, in one graph call that is waited for."""
    count = len(superbatch.reward)

    def step() -> int:
        # A value is waited for, as steps are not.
        float(next(iter(learner.step(superbatch).values())))
        return count

    return step


def repeated(products: list[Product]) -> Callable[[int], tf.Tensor]:
    """A function that does the products, and nothing else, so many times in one graph call."""
    # Variables are read anew in every round, so that no round can be optimised away.
    sides = [
        (tf.Variable(tf.random.normal(p.left)), tf.Variable(tf.random.normal(p.right)))
        for p in products
    ]

    @tf.function
    def run(times: tf.Tensor) -> tf.Tensor:
        total = 0.0
        for _ in tf.range(times):
            for (left, right), product in zip(sides, products):  # noqa: B905
                result = tf.matmul(
                    left.read_value(),
                    right.read_value(),
                    transpose_a=product.transpose_left,
                    transpose_b=product.transpose_right,
                )
                total += result[0, 0]
        return total

    return lambda times: run(tf.constant(times))
