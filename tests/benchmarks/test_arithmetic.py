import numpy as np
import tensorflow as tf

from benchmarks import arithmetic
from quinoa.agents import iq
from quinoa.agents.learner import Learner
from tests.agents.fixtures import make_spec, make_transitions

BATCH, OBSERVATION, ACTION, HIDDEN, BINS = 32, 3, 2, 16, 5


def products():
    config = iq.Config(hidden_sizes=(HIDDEN,), num_bins=BINS)
    learner = Learner(iq.Agent, config, make_spec(OBSERVATION, ACTION), seed=0)
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
    assert sum(product.flops for product in products()) == flops


def test_they_are_repeated_as_often_as_asked():
    run = arithmetic.repeated(products())
    once, thrice = float(run(1)), float(run(3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-4)
