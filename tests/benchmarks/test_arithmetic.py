import numpy as np
import tensorflow as tf

from benchmarks import arithmetic
from quinoa.agents import iq, sac
from quinoa.agents.learner import Learner
from tests.agents.fixtures import make_spec, make_transitions

BATCH, OBSERVATION, ACTION, HIDDEN, BINS = 32, 3, 2, 16, 5


def products(agent=iq, **settings):
    config = agent.Config(hidden_sizes=(HIDDEN,), **settings)
    learner = Learner(agent.Agent, config, make_spec(OBSERVATION, ACTION), seed=0)
    batch = tf.nest.map_structure(tf.constant, make_transitions(BATCH))
    return arithmetic.products(learner, batch)


def test_the_products_of_iqs_step_are_those_of_its_networks():
    layers = [[(OBSERVATION, HIDDEN), (HIDDEN, outputs)] for outputs in (ACTION * BINS, 1)]
    flops = 0
    for (inputs, hidden), (_, outputs) in layers:
        first, second = (2 * BATCH * a * b for a, b in ((inputs, hidden), (hidden, outputs)))
        # Forwards; backwards to both layers' weights, and to the hidden layer.
        flops += first + second + first + 2 * second
    # V(s') has no gradient.
    flops += sum(2 * BATCH * a * b for a, b in layers[1])
    assert sum(product.flops for product in products(num_bins=BINS)) == flops


def test_the_products_of_sacs_step_are_those_that_are_computed():
    def flops(inputs, outputs):
        return [2 * BATCH * a * b for a, b in ((inputs, HIDDEN), (HIDDEN, outputs))]

    actor, critic = flops(OBSERVATION, 2 * ACTION), flops(OBSERVATION + ACTION, 1)
    # Targets: the actor and both critics. Critics: forwards, weights, hidden layer.
    expected = sum(actor) + 2 * sum(critic) + 2 * (2 * sum(critic) + critic[1])
    # Actor: forwards, weights, hidden layer; critics forwards and back to the action, and their
    # weights have no gradient.
    expected += 2 * sum(actor) + actor[1] + 2 * 2 * sum(critic)
    assert sum(product.flops for product in products(sac)) == expected


def test_they_are_repeated_as_often_as_asked():
    run = arithmetic.repeated(products(num_bins=BINS))
    once, thrice = float(run(1)), float(run(3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-4)


def test_the_products_of_a2cs_step_are_those_of_its_segments():
    settings = {"hidden_sizes": [HIDDEN], "batch_size": BATCH, "segment_length": 4}
    layers = [[(4, HIDDEN), (HIDDEN, outputs)] for outputs in (2, 1)]
    flops = 0
    for sizes in layers:
        first, second = (2 * BATCH * a * b for a, b in sizes)
        # Forwards; backwards to both layers' weights, and to the hidden layer.
        flops += first + second + first + 2 * second
    # V(s') has no gradient.
    flops += sum(2 * BATCH * a * b for a, b in layers[1])
    assert arithmetic.flop_of_a_step("gym:CartPole-v1", "a2c", settings) == flops
