"""What holds for every policy: a distribution over the box, finite on all of it."""

import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.policies import squash
from tests.agents.policies import densities

EVERY = pytest.mark.parametrize("kind", densities.ALL)
CONTINUOUS = pytest.mark.parametrize("kind", densities.CONTINUOUS)
ONE_AND_TWO = pytest.mark.parametrize("dims", [1, 2])
SEEDS = pytest.mark.parametrize("seed", range(2))

NUM_SAMPLES = 20_000


@functools.cache
def masses(kind, dims, seed, state_seed):
    """Of the policy of a seed in the state of another: the cells' edges, and their masses."""
    policy, state = densities.make_policy(kind, dims, seed=seed), densities.observation(state_seed)
    edges = np.linspace(-1.0, 1.0, 25 if dims == 1 else 9)
    # The Gaussian flow's densities are the narrowest.
    nodes = 8 if kind == "gaussian_flow" else 5
    log_prob = densities.log_prob_at(policy, state)
    return edges, densities.cell_masses(log_prob, edges, dims, nodes)


def draw(policy, state, n, seed):
    return policy(densities.repeated(state, n)).sample(seed=tf.constant([seed, 1])).numpy()


@functools.cache
def drawn(kind, dims, seed):
    """Of the policy of a seed in the state of the same: NUM_SAMPLES samples."""
    policy, state = densities.make_policy(kind, dims, seed=seed), densities.observation(seed)
    return draw(policy, state, NUM_SAMPLES, seed=7)


@pytest.mark.parametrize("kind", (*densities.CONTINUOUS, densities.BOUNDED))
@ONE_AND_TWO
@SEEDS
def test_density_integrates_to_one(kind, dims, seed):
    _, mass = masses(kind, dims, seed, seed)
    # Samples beyond tanh(7) are moved to it, and what density they would have had is not seen.
    on_edge = np.abs(drawn(kind, dims, seed)).max(axis=1) >= np.float32(squash.MAX_ACTION) - 1e-7
    clipped = on_edge.mean() + 3.0 * math.sqrt(on_edge.mean() / NUM_SAMPLES)
    assert -clipped - 1e-5 < mass.sum() - 1.0 < 1e-5


@CONTINUOUS
@ONE_AND_TWO
def test_densities_of_the_other_tests_are_far_from_uniform(kind, dims):
    """Else they would say nothing that the initial policy's do not."""
    for seed in range(2):
        _, mass = masses(kind, dims, seed, seed)
        uniform = 1.0 / mass.size
        assert mass.max() > 1.5 * uniform
        assert mass.min() < 0.5 * uniform


@CONTINUOUS
@ONE_AND_TWO
@SEEDS
def test_samples_agree_with_density(kind, dims, seed):
    edges, mass = masses(kind, dims, seed, seed)
    counts, _ = np.histogramdd(drawn(kind, dims, seed), [edges] * dims)
    assert densities.p_value(counts, mass) > 1e-3
    # The test sees a density that is another one.
    _, other = masses(kind, dims, seed + 10, seed)
    assert densities.p_value(counts, other) < 1e-6


@EVERY
@pytest.mark.parametrize("dims", [1, 2, 5])
def test_shapes_and_types(kind, dims):
    policy = densities.make_policy(kind, dims)
    states = tf.random.stateless_normal([4, densities.OBSERVATION_SIZE], [1, 2])
    distribution = policy(states)
    assert distribution.batch_shape == [4]
    assert distribution.event_shape == [dims]
    action = distribution.sample(seed=tf.constant([1, 2]))
    many = distribution.sample(3, seed=tf.constant([1, 2]))
    for tensor, shape in [
        (action, [4, dims]),
        (many, [3, 4, dims]),
        (distribution.mode(), [4, dims]),
        (distribution.log_prob(action), [4]),
        (distribution.log_prob(many), [3, 4]),
    ]:
        assert tensor.shape == shape
        assert tensor.dtype == tf.float32
    np.testing.assert_allclose(
        distribution.log_prob(many)[1], distribution.log_prob(many[1]), rtol=1e-5, atol=1e-5
    )


@EVERY
def test_one_graph_serves_every_batch_size(kind):
    policy = densities.make_policy(kind, 2)

    @tf.function(input_signature=[tf.TensorSpec([None, densities.OBSERVATION_SIZE])])
    def in_graph(states):
        distribution = policy(states)
        action = distribution.sample(seed=tf.constant([1, 2]))
        return action, distribution.log_prob(action), distribution.mode()

    for size in (1, 5):
        states = tf.random.stateless_normal([size, densities.OBSERVATION_SIZE], [1, 2])
        action, log_prob, mode = in_graph(states)
        distribution = policy(states)
        expected = distribution.sample(seed=tf.constant([1, 2]))
        np.testing.assert_allclose(action, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(log_prob, distribution.log_prob(expected), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(mode, distribution.mode(), rtol=1e-5, atol=1e-6)


@EVERY
def test_each_row_depends_on_its_own_state_alone(kind):
    policy = densities.make_policy(kind, 2)
    states = tf.random.stateless_normal([6, densities.OBSERVATION_SIZE], [1, 2])
    actions = policy(states).sample(seed=tf.constant([1, 2]))
    together = policy(states).log_prob(actions)
    alone = [policy(states[i : i + 1]).log_prob(actions[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)
    moved = tf.tensor_scatter_nd_add(states, [[2]], tf.ones([1, densities.OBSERVATION_SIZE]))
    changed = np.abs(policy(moved).log_prob(actions) - together) > 1e-4
    np.testing.assert_array_equal(np.flatnonzero(changed), [2])


@EVERY
def test_a_seed_gives_the_same_samples_and_another_gives_others(kind):
    policy = densities.make_policy(kind, 2)
    state = densities.observation()
    first = draw(policy, state, n=50, seed=1)
    np.testing.assert_array_equal(first, draw(policy, state, n=50, seed=1))
    assert np.any(first != draw(policy, state, n=50, seed=2))


@EVERY
def test_samples_come_with_their_densities(kind):
    policy = densities.make_policy(kind, 2)
    distribution = policy(densities.repeated(densities.observation(), 100))
    seed = tf.constant([1, 2])
    action, log_prob = distribution.experimental_sample_and_log_prob(seed=seed)
    np.testing.assert_array_equal(action, distribution.sample(seed=seed))
    np.testing.assert_allclose(log_prob, distribution.log_prob(action), rtol=1e-3, atol=1e-3)


@EVERY
def test_log_prob_is_a_function_of_the_action_alone(kind):
    """Of where a sample comes from nothing is kept, even where it was clipped at the edge."""
    policy = densities.make_policy(kind, 2)
    if kind in densities.SMOOTH:
        for variable in policy.variables:
            variable.assign(20.0 * variable)
    distribution = policy(densities.repeated(densities.observation(), 1000))
    action = distribution.sample(seed=tf.constant([1, 2]))
    assert np.abs(action).max() > (0.99 if kind == "piecewise_flow" else 0.999)
    from_replay = tf.constant(action.numpy())
    np.testing.assert_array_equal(distribution.log_prob(action), distribution.log_prob(from_replay))


@pytest.mark.parametrize("kind", (*densities.ALL, densities.BOUNDED))
@pytest.mark.parametrize("dims", [1, 6])
def test_everything_is_finite_on_the_closed_box_in_extreme_states(kind, dims):
    policy = densities.make_policy(kind, dims)
    corners = list(itertools.islice(itertools.product([-1.0, 0.0, 1.0], repeat=dims), 100))
    scales = (0.0, 1.0, 1e3, 1e6)
    points = [*corners, [1.0] * dims]
    actions = tf.constant(points * len(scales))
    states = tf.concat(
        [scale * densities.repeated(densities.observation(), len(points)) for scale in scales], 0
    )
    with tf.GradientTape() as tape:
        tape.watch([actions, states])
        log_prob = policy(states).log_prob(actions)
        total = tf.reduce_sum(log_prob)
    assert np.all(np.isfinite(log_prob))
    gradients = tape.gradient(total, [*policy.trainable_variables, states, actions])
    for gradient in gradients:
        assert gradient is None or np.all(np.isfinite(gradient))
    # In the states of each scale: those of their own rows.
    of_rows = [gradient for gradient in gradients[-2:] if gradient is not None]
    for rows in np.split(np.concatenate(of_rows, axis=1), len(scales)):
        assert np.any(rows != 0)
    sample = policy(states).sample(seed=tf.constant([1, 2]))
    for action in (sample, policy(states).mode()):
        assert np.all(np.abs(action) <= 1.0)
    assert np.all(np.isfinite(policy(states).log_prob(sample)))


@pytest.mark.parametrize("kind", densities.SMOOTH)
def test_densities_reach_the_edge_without_a_step(kind):
    policy = densities.make_policy(kind, 1)
    log_prob = densities.log_prob_at(policy, densities.observation())
    near = np.tanh(6.999)
    for side in (-1.0, 1.0):
        at_edge, inside = log_prob(np.array([[side], [side * near]]))
        # A tenth of a unit of atanh, which float32 cannot tell much better there.
        assert abs(at_edge - inside) < 0.1 * max(1.0, abs(inside))


@pytest.mark.parametrize("kind", [*densities.FLOWS, "multicategorical"])
@pytest.mark.parametrize("dims", [1, 6])
def test_mode_is_denser_than_most_samples(kind, dims):
    for seed in range(3):
        policy = densities.make_policy(kind, dims, seed=seed)
        distribution = policy(densities.repeated(densities.observation(seed), 300))
        at_samples = distribution.log_prob(distribution.sample(seed=tf.constant([seed, 3])))
        at_mode = distribution.log_prob(distribution.mode())
        assert np.mean(at_samples > at_mode) < 0.1
