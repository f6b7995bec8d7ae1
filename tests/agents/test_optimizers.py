import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.learner import Learner
from quinoa.agents.optimizers import SGD, Adam, Optimizer, RMSProp
from tests.agents.fixtures import make_spec
from tests.agents.test_learner import TwoLosses, superbatch, tensors, two_losses

GRADIENTS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
RATE = 0.01


def moved(optimizer: Optimizer) -> np.ndarray:
    """Where the optimiser takes a variable from zero by `GRADIENTS`."""
    variable, made = tf.Variable(tf.zeros(3)), optimizer.make(RATE)
    for gradient in GRADIENTS:
        made.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


def adam(beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    x, mean, square = np.zeros(3), np.zeros(3), np.zeros(3)
    for t, g in enumerate(GRADIENTS.astype(float), 1):
        mean = beta_1 * mean + (1 - beta_1) * g
        square = beta_2 * square + (1 - beta_2) * g**2
        rate = RATE * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        x = x - rate * mean / (np.sqrt(square) + epsilon)
    return x


def test_adam_moves_by_its_rate_where_gradients_are_tiny():
    """As a temperature of 1e-4 has them; with ε = 1e-7 two thirds of each step are lost."""
    variable, made = tf.Variable(0.0), Adam().make(RATE)

    def move():
        made.apply_gradients([(tf.constant(5e-8), variable)])

    # The first one makes the optimiser's variables.
    move()
    step = tf.function(move)
    for _ in range(2000):
        before = float(variable)
        step()
    assert float(variable) - before == pytest.approx(-RATE, rel=0.2)


def rmsprop(decay, momentum, epsilon, centered, *, tensorflow_1=False):
    x, square, mean, step = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    if tensorflow_1:
        square += 1.0
    for g in GRADIENTS.astype(float):
        square = decay * square + (1 - decay) * g**2
        mean = decay * mean + (1 - decay) * g
        variance = square - mean**2 if centered else square
        if momentum or tensorflow_1:
            step = momentum * step + RATE * g / np.sqrt(variance + epsilon)
        else:
            step = RATE * g / (np.sqrt(variance) + epsilon)
        x = x - step
    return x


def sgd(momentum, nesterov):
    x, step = np.zeros(3), np.zeros(3)
    for g in GRADIENTS.astype(float):
        step = momentum * step - RATE * g
        x = x + (momentum * step - RATE * g if nesterov else step)
    return x


# Keras starts the running mean of squares of RMSProp's momentum form at zero too.
@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Adam(), adam()),
        (Adam(0.5, 0.9, 1e-3), adam(0.5, 0.9, 1e-3)),
        (RMSProp(), rmsprop(0.99, 0.0, 1e-5, False)),
        (RMSProp(0.95, 0.0, 0.01, True), rmsprop(0.95, 0.0, 0.01, True)),
        (RMSProp(0.95, 0.9, 0.01), rmsprop(0.95, 0.9, 0.01, False)),
        (
            RMSProp(0.9, 0.0, 0.01, tensorflow_1=True),
            rmsprop(0.9, 0.0, 0.01, False, tensorflow_1=True),
        ),
        (
            RMSProp(0.9, 0.8, 0.01, True, tensorflow_1=True),
            rmsprop(0.9, 0.8, 0.01, True, tensorflow_1=True),
        ),
        (SGD(), sgd(0.0, False)),
        (SGD(0.9), sgd(0.9, False)),
        (SGD(0.9, nesterov=True), sgd(0.9, True)),
    ],
    ids=str,
)
def test_each_is_its_formula(optimizer, expected):
    np.testing.assert_allclose(moved(optimizer), expected, rtol=1e-4, atol=1e-6)


class Mixed(TwoLosses):
    """Each of its groups has another optimiser."""

    def parameter_groups(self):
        optimizers = (RMSProp(tensorflow_1=True), SGD(0.9), Adam())
        groups = super().parameter_groups()
        return [
            group._replace(optimizer=optimizer)
            for group, optimizer in zip(groups, optimizers, strict=True)
        ]


def test_each_group_has_its_own_and_a_checkpoint_of_it(tmp_path):
    config = Mixed.Config(batch_size=16)
    one, other = (Learner(Mixed, config, make_spec(), seed) for seed in (0, 1))
    copies = [[tf.Variable(v) for v in group.variables] for group in one._groups]
    references = [RMSProp(tensorflow_1=True).make(1e-3), SGD(0.9).make(0.01), Adam().make(1e-4)]
    _, gradients, _ = one.losses_and_gradients(tensors(superbatch(1), 0))
    by_group = [gradients["policy"], gradients["value"][:1], gradients["value"][1:]]
    for reference, copy, of_group in zip(references, copies, by_group, strict=True):
        reference.apply_gradients(zip(of_group, copy, strict=True))
    one.step(superbatch(1))
    for group, copy in zip(one._groups, copies, strict=True):
        for mine, theirs in zip(group.variables, copy, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)
    other.restore(one.save(str(tmp_path / "checkpoint")))
    for each in (one, other):
        each.step(superbatch(2, seed=1))
    for mine, theirs in zip(one.state, other.state, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_group_that_names_none_has_adam_as_ever():
    groups = two_losses().agent.parameter_groups()
    assert {group.optimizer for group in groups} == {Adam()}
