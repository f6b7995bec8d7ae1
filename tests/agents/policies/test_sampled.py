"""Policies without a density: what they give, and that NumPy's are the same."""

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents import graphs, networks
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy, arrays_of, own_form
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.policies import DeterministicPolicy, SamplerPolicy, standalone
from tests.agents.fixtures import perturb

SEED = tf.constant([1, 2])
KINDS = pytest.mark.parametrize("kind", [DeterministicPolicy, SamplerPolicy])


def states(number=64):
    return np.random.default_rng(1).normal(size=(number, 3)).astype(np.float32)


def make(kind, dims=2, **settings):
    tf.random.set_seed(0)
    policy = kind(3, dims, hidden_sizes=(16, 16), **settings)
    perturb(policy.variables)
    return policy


def test_a_deterministic_policy_has_one_action_near_0_at_the_start():
    policy = DeterministicPolicy(3, 2, hidden_sizes=(400, 300))
    assert np.abs(policy.action(states())).max() < 0.1
    policy = make(DeterministicPolicy)
    distribution = policy(tf.constant(states()))
    action = policy.action(states())
    assert action.shape == (64, 2)
    np.testing.assert_array_equal(distribution.sample(seed=SEED), action)
    np.testing.assert_array_equal(distribution.mode(), action)
    assert distribution.sample(5, seed=SEED).shape == (5, 64, 2)
    assert (policy.has_density, policy.has_mode) == (False, True)


def test_a_sampler_draws_by_the_seed():
    policy = make(SamplerPolicy)
    # At the start it is nearly uniform on the box: tanh of the noise.
    start = SamplerPolicy(3, 2, hidden_sizes=(8,))
    y, log_prob = start.sample_and_log_prob(tf.constant(states()), 5, SEED)
    np.testing.assert_array_equal(y, start._noise(tf.constant(states()), 5, SEED))
    normal = -0.5 * np.sum(np.square(y), axis=-1) - np.log(2.0 * np.pi)
    np.testing.assert_allclose(log_prob, normal, rtol=1e-5)
    distribution = policy(tf.constant(states()))
    one, many = distribution.sample(seed=SEED), distribution.sample(5, seed=SEED)
    assert one.shape == (64, 2) and many.shape == (5, 64, 2)
    np.testing.assert_array_equal(one, distribution.sample(seed=SEED))
    assert np.all(np.std(many, axis=0) > 0)
    assert np.abs(many).max() <= 1
    assert (policy.has_density, policy.has_mode) == (False, False)


@pytest.mark.parametrize("dims", [1, 2])
def test_the_density_of_what_is_drawn_is_equation_33(dims):
    """By a function that is one to one, its inverse's density is the histogram's."""
    policy = SamplerPolicy(3, dims, hidden_sizes=(32,))
    # Monotone in each noise, so that one noise gives each action: hidden units of one noise each.
    first, last = networks.layers_of(policy._network)
    rng = np.random.default_rng(0)
    w, v = np.zeros((3 + dims, 32), np.float32), np.zeros((32, dims), np.float32)
    for unit in range(32):
        w[3 + unit % dims, unit] = rng.uniform(0.5, 1.5) * (-1) ** (unit // dims)
        v[unit, unit % dims] = rng.uniform(0.1, 0.3) * (-1) ** (unit // dims)
    first.weights.assign(w)
    first.biases.assign(rng.normal(size=32).astype(np.float32))
    last.weights.assign(v)
    state = tf.constant(states(1))
    y, log_prob = (found[0].numpy() for found in policy.sample_and_log_prob(state, 200_000, SEED))
    np.testing.assert_allclose(y, policy.draw(state, 200_000, SEED)[0], rtol=1e-6)
    edges = [np.quantile(column, np.linspace(0.02, 0.98, 7)) for column in y.T]
    counts, _ = np.histogramdd(y, edges)
    # E[1 / q] over a cell is its volume, as ∫ q · 1/q.
    volumes, _ = np.histogramdd(y, edges, weights=np.exp(-log_prob) / len(y))
    expected = np.diff(edges[0])
    if dims == 2:
        expected = expected[:, None] * np.diff(edges[1])
    assert counts.min() > 1000
    np.testing.assert_allclose(volumes, expected, rtol=0.05)


def test_the_density_is_that_of_the_jacobian_by_finite_differences():
    policy = make(SamplerPolicy)
    observation = tf.constant(states(4))
    _, log_prob = policy.sample_and_log_prob(observation, 3, SEED)
    noise = policy._noise(observation, 3, SEED)
    step = 1e-2
    columns = [
        (
            policy._from_noise(observation, noise + step * np.eye(2, dtype=np.float32)[i])
            - policy._from_noise(observation, noise - step * np.eye(2, dtype=np.float32)[i])
        )
        / (2 * step)
        for i in range(2)
    ]
    determinant = np.abs(np.linalg.det(np.stack(columns, axis=-1)))
    normal = -0.5 * np.sum(np.square(noise), axis=-1) - np.log(2 * np.pi)
    found = np.exp(log_prob - normal)
    # But where a kink of a ReLU is between the two points.
    close = np.isclose(found, 1.0 / determinant, rtol=2e-2)
    assert close.mean() >= 0.7, (found, 1.0 / determinant)


def test_the_density_is_the_same_in_what_xla_compiles():
    policy = make(SamplerPolicy)
    observation = tf.constant(states())

    def density(noise):
        policy._noise = lambda *_: noise
        return policy.sample_and_log_prob(observation, 3, SEED)[1]

    # XLA has another generator of random numbers.
    noise = policy._noise(observation, 3, SEED)
    plain, compiled = (
        graphs.trace(density, noise, jit_compile=jit_compile)(noise)
        for jit_compile in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, rtol=1e-3, atol=1e-3)


def test_actions_of_a_set_are_those_of_its_first_vectors_alike_in_numpy():
    policy = make(SamplerPolicy, noise_set_size=5)
    assert policy.set_size is not None
    form = own_form(policy)
    assert form is not None
    numpy_policy = NumpyPolicy(FormLayout(form, policy))
    for size in (5, 3, 1):
        policy.set_size.assign([size])
        state = tf.constant(states(1))
        y = policy._from_noise(state, policy._noise_set[None, :size])[0]
        expected = np.unique(np.tanh(y), axis=0)
        many = tf.repeat(state, 600, axis=0)
        theirs = policy(many).sample(seed=SEED).numpy()
        numpy_policy.assign(flatten(policy))
        draw = numpy_policy.samples(many.shape, seed=0)
        for drawn in (theirs, draw(many.numpy(), 0)[0]):
            found, counts = np.unique(np.round(drawn, 5), axis=0, return_counts=True)
            np.testing.assert_allclose(found, expected, atol=1e-4)
            assert counts.min() > 0.7 * 600 / size
    # The density is of normal noise, whatever the set has.
    y, _ = policy.sample_and_log_prob(tf.constant(states(1)), 50, SEED)
    assert len(np.unique(y[0], axis=0)) == 50
    assert [v.ref() for v in policy.scheduled()] == [policy.set_size.ref()]
    assert SamplerPolicy(3, 2, hidden_sizes=(8,)).scheduled() == ()


@KINDS
@pytest.mark.parametrize("in_one_file, layer_norm", [(False, True), (True, True), (True, "first")])
def test_numpys_are_the_originals(kind, in_one_file, layer_norm, tmp_path):
    settings = {"layer_norm": layer_norm} if kind is DeterministicPolicy else {}
    policy = make(kind, **settings)
    arrays = arrays_of(policy)
    assert arrays is not None
    np.savez(tmp_path / "policy.npz", **arrays)
    alone: dict = {"Policy": standalone.Policy}
    if in_one_file:
        exec(standalone.one_file(), alone)
    numpy_policy = alone["Policy"].load(tmp_path / "policy.npz")
    many = np.repeat(states(2), 20_000, axis=0)
    ours = numpy_policy.sample(many, np.random.default_rng(0)).reshape(2, -1, 2)
    theirs = policy(tf.constant(many)).sample(seed=SEED).numpy().reshape(2, -1, 2)
    for level in (0.1, 0.5, 0.9):
        edge = np.quantile(theirs, level, axis=1, keepdims=True) + 1e-4
        np.testing.assert_allclose(
            (ours <= edge).mean(axis=1), (theirs <= edge).mean(axis=1), atol=0.02
        )
    with pytest.raises(TypeError, match="no density"):
        numpy_policy.log_prob(states(), np.zeros((64, 2)))
    if kind is SamplerPolicy:
        with pytest.raises(TypeError, match="no mode"):
            numpy_policy.mode(states())
    else:
        np.testing.assert_allclose(numpy_policy.mode(states()), policy.action(states()), atol=1e-5)


@KINDS
def test_actors_and_evaluations_act_with_them(kind):
    """An evaluation takes the mode where there is one, and samples where there is none."""
    policy = make(kind)
    form = own_form(policy)
    assert form is not None
    settings = form.mode_settings() if policy.has_mode else None
    numpy_policy = NumpyPolicy(FormLayout(form, policy), mode_settings=settings)
    numpy_policy.assign(flatten(policy))
    for acting in (numpy_policy, CompiledPolicy(policy)):
        act = acting.actions((64, 3), seed=0, sample=False)
        assert act(states(), 0).shape == (64, 2)
        assert np.all(act(states(), 1) == act(states(), 2)) == policy.has_mode
