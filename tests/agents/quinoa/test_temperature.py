"""The temperature against the definition of the constraint and of its dual, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from quinoa.agents.quinoa import temperature

solve = tf.function(temperature.solve)


def mean_kl(q, alpha):
    """The mean over rows of KL(softmax(q/α) ‖ uniform), written as Σ p log (p M)."""
    p = special.softmax(q.astype(np.float64) / alpha, axis=1)
    return np.mean(np.sum(special.xlogy(p, p * q.shape[1]), axis=1))


def dual(q, alpha, epsilon):
    """αε + α E_s log E_a exp(Q/α)."""
    log_mean_exp = special.logsumexp(q.astype(np.float64) / alpha, axis=1) - np.log(q.shape[1])
    return alpha * (epsilon + np.mean(log_mean_exp))


def make_q(kind, scale, states=32, actions=16, seed=0):
    rng = np.random.default_rng(seed)
    q = {
        "normal": lambda: rng.normal(size=(states, actions)),
        "uniform": lambda: rng.uniform(size=(states, actions)),
        # Some actions far off, as where a flow's density has fallen away.
        "heavy-tailed": lambda: rng.standard_cauchy(size=(states, actions)),
        # Some states matter a million times more than others.
        "uneven": lambda: (
            rng.normal(size=(states, actions)) * 10.0 ** rng.uniform(-6.0, 0.0, (states, 1))
        ),
        "two-valued": lambda: rng.integers(0, 2, size=(states, actions)).astype(float),
    }[kind]()
    return (scale * q).astype(np.float32)


KINDS = ("normal", "uniform", "heavy-tailed", "uneven", "two-valued")
SCALES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


class TestSolve:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("epsilon", [1e-4, 0.02, 0.1, 0.4])
    def test_kl_is_epsilon_at_every_scale(self, kind, epsilon):
        for scale in SCALES:
            q = make_q(kind, scale)
            alpha = float(solve(q, epsilon))
            np.testing.assert_allclose(mean_kl(q, alpha), epsilon, rtol=1e-4, err_msg=str(scale))

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 2**32 - 1),
        kind=st.sampled_from(KINDS),
        log_scale=st.floats(-3.0, 3.0),
        share=st.floats(1e-4, 0.99),
    )
    def test_kl_is_epsilon_up_to_what_can_be_reached(self, seed, kind, log_scale, share):
        q = make_q(kind, 10.0**log_scale, seed=seed)
        ties = np.sum(q == q.max(axis=1, keepdims=True), axis=1)
        epsilon = share * np.mean(np.log(q.shape[1] / ties))
        alpha = float(temperature.solve(tf.constant(q), epsilon))
        np.testing.assert_allclose(mean_kl(q, alpha), epsilon, rtol=1e-3)

    @pytest.mark.parametrize("shape", [(1, 2), (1, 512), (256, 2), (256, 64)])
    def test_any_number_of_states_and_actions(self, shape):
        q = make_q("normal", 1.0, *shape)
        alpha = float(solve(q, 0.05))
        np.testing.assert_allclose(mean_kl(q, alpha), 0.05, rtol=1e-4)

    def test_quadrature_of_a_density_on_the_box(self):
        """Q(a) = 3a over the uniform prior: KL(α) in closed form, actions at quantiles."""
        actions = np.linspace(-1.0, 1.0, 20_001)
        actions = 0.5 * (actions[1:] + actions[:-1])
        alpha = float(solve((3.0 * actions).astype(np.float32)[None], 0.1))
        # π ∝ exp(λa) has E a = coth λ − 1/λ and log E exp(λa) = log(sinh λ / λ).
        rate = 3.0 / alpha
        kl = rate / np.tanh(rate) - 1.0 - np.log(np.sinh(rate) / rate)
        np.testing.assert_allclose(kl, 0.1, rtol=1e-3)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("epsilon", [0.02, 0.4])
    def test_minimises_the_dual(self, kind, epsilon):
        """Line 4 of Algorithm 2, found here without a derivative."""
        for scale in (1e-3, 1.0, 1e3):
            q = make_q(kind, scale)
            alpha = float(solve(q, epsilon))
            found = optimize.minimize_scalar(
                lambda x, q=q: dual(q, np.exp(x), epsilon),
                bounds=(np.log(alpha) - 3.0, np.log(alpha) + 3.0),
                method="bounded",
                options={"xatol": 1e-9},
            )
            # Within [α/20, 20α]; flat as the minimum is, its place is less sure than its value.
            np.testing.assert_allclose(alpha, np.exp(found.x), rtol=1e-3)
            assert dual(q, alpha, epsilon) <= found.fun + 1e-9 * scale

    def test_a_constant_for_each_state_changes_nothing(self):
        q = make_q("normal", 1.0)
        offset = np.random.default_rng(1).normal(size=(len(q), 1)).astype(np.float32)
        expected = float(solve(q, 0.02))
        for scale in (1.0, 100.0, 1e4):
            # All that is lost is what float32 loses of q in the sum.
            np.testing.assert_allclose(
                float(solve(q + np.float32(scale) * offset, 0.02)), expected, rtol=1e-6 * scale
            )

    def test_a_scale_scales_alpha(self):
        q = make_q("normal", 1.0)
        expected = float(solve(q, 0.02))
        for scale in SCALES:
            alpha = float(solve(np.float32(scale) * q, 0.02))
            np.testing.assert_allclose(alpha, scale * expected, rtol=1e-4)

    def test_the_constraint_holds_on_the_mean_over_states(self):
        q = make_q("uneven", 1.0)
        alpha = float(solve(q, 0.1))
        each = np.array([mean_kl(row[None], alpha) for row in q])
        assert each.max() > 0.3 > 0.1 > each.min()
        np.testing.assert_allclose(each.mean(), 0.1, rtol=1e-4)

    @pytest.mark.parametrize("epsilon", [np.log(16.0), 5.0])
    def test_where_epsilon_cannot_be_reached_alpha_is_tiny_and_positive(self, epsilon):
        """No policy is that far from M samples of the prior: the constraint does not bind."""
        q = make_q("normal", 1.0)
        alpha = float(solve(q, float(epsilon)))
        assert 0.0 < alpha < 1e-9
        assert mean_kl(q, alpha) <= epsilon
        # It is where the dual falls to.
        assert dual(q, alpha, epsilon) <= min(dual(q, a, epsilon) for a in (1e-6, 1e-3, 1.0))

    def test_where_q_does_not_vary_alpha_is_zero(self):
        assert float(solve(np.full([8, 16], 3.0, np.float32), 0.02)) == 0.0

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_not_hidden(self, bad):
        q = make_q("normal", 1.0)
        q[3, 5] = bad
        assert np.isnan(float(solve(q, 0.02)))

    def test_an_unknown_number_of_states_in_a_graph(self):
        @tf.function(input_signature=[tf.TensorSpec([None, None])])
        def in_graph(q):
            return temperature.solve(q, 0.02)

        q = make_q("normal", 1.0)
        np.testing.assert_allclose(in_graph(q), solve(q, 0.02), rtol=1e-6)
        assert in_graph(q).dtype == tf.float32


class TestMeanKL:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_the_divergence_from_the_prior(self, kind):
        q = make_q(kind, 1.0)
        for alpha in (0.01, 0.3, 10.0):
            actual = temperature.mean_kl(tf.constant(q, tf.float64), tf.constant(alpha, tf.float64))
            np.testing.assert_allclose(actual, mean_kl(q, alpha), rtol=1e-6)

    def test_falls_with_alpha_between_its_limits(self):
        q = tf.constant(make_q("normal", 1.0), tf.float64)
        alphas = np.geomspace(1e-6, 1e3, 40)
        values = [float(temperature.mean_kl(q, tf.constant(a, tf.float64))) for a in alphas]
        assert np.all(np.diff(values) <= 1e-12)
        np.testing.assert_allclose(values[0], np.log(16.0), rtol=1e-6)
        variance = np.mean(np.var(q, axis=1))
        np.testing.assert_allclose(values[-1], variance / (2.0 * alphas[-1] ** 2), rtol=1e-2)


class TestWeights:
    """Actions drawn from another distribution than the prior, weighted by prior / that one."""

    def test_whole_numbers_of_copies_are_weights(self):
        rng = np.random.default_rng(0)
        q = rng.normal(size=(8, 5))
        copies = np.array([1, 2, 3, 4, 5])
        repeated = np.repeat(q, copies, axis=1)
        # A constant for each state is no matter here either.
        log_weights = np.log(copies) + rng.normal(size=(8, 1))
        weighted = temperature.solve(tf.constant(q), 0.1, tf.constant(log_weights))
        np.testing.assert_allclose(
            weighted, temperature.solve(tf.constant(repeated), 0.1), rtol=1e-5
        )
        for alpha in (0.01, 1.0):
            alpha = tf.constant(alpha, tf.float64)
            np.testing.assert_allclose(
                temperature.mean_kl(tf.constant(q), alpha, tf.constant(log_weights)),
                temperature.mean_kl(tf.constant(repeated), alpha),
                rtol=1e-6,
            )

    @pytest.mark.parametrize("scale", SCALES)
    def test_kl_is_epsilon_from_the_weighted_prior(self, scale):
        q = make_q("normal", scale).astype(np.float64)
        log_weights = make_q("normal", 2.0, seed=1).astype(np.float64)
        alpha = float(temperature.solve(tf.constant(q), 0.05, tf.constant(log_weights)))
        prior = special.softmax(log_weights, axis=1)
        policy = special.softmax(log_weights + q / alpha, axis=1)
        divergence = np.mean(np.sum(special.rel_entr(policy, prior), axis=1))
        np.testing.assert_allclose(divergence, 0.05, rtol=1e-4)


class TestMixture:
    """Half of the actions from π̃ and half from a policy far from it, in six dimensions.

    π̃ is uniform, Q linear in the action, and so the policy of each α, its KL and its samples are
    known: in each dimension p(a) ∝ exp(k a) on [-1, 1], of which the KL is k coth k − 1 −
    log(sinh k / k).
    """

    DIMS = 6

    def kl(self, rate):
        each = rate / np.tanh(rate) - 1.0 - np.log(np.sinh(rate) / rate)
        return self.DIMS * each

    def rate_of(self, kl):
        return optimize.brentq(lambda rate: self.kl(rate) - kl, 1e-3, 60.0)

    def sample(self, rate, rng, *shape):
        low, high = np.exp(-rate), np.exp(rate)
        return np.log(low + rng.uniform(size=(*shape, self.DIMS)) * (high - low)) / rate

    def drawn(self, rate, num_actions, states=256):
        """Q(a) = rate Σ a and log w of actions whose half is of the policy of α = 1."""
        rng, half = np.random.default_rng(0), num_actions // 2
        uniform = rng.uniform(-1.0, 1.0, (states, num_actions - half, self.DIMS))
        action = np.concatenate([uniform, self.sample(rate, rng, states, half)], axis=1)
        prior = np.full(action.shape[:2], -self.DIMS * np.log(2.0))
        policy = np.sum(rate * action - np.log(2.0 * np.sinh(rate) / rate), axis=-1)
        drawn = temperature.mixture_log_prob(tf.constant(prior), tf.constant(policy), 0.5)
        return tf.constant(rate * action.sum(axis=-1)), prior - drawn

    @pytest.mark.parametrize("epsilon", [0.12, 1.2, 2.4])
    def test_alpha_is_the_exact_one(self, epsilon):
        rate = self.rate_of(1.48)
        q, log_weights = self.drawn(rate, 64)
        exact = rate / self.rate_of(epsilon)
        np.testing.assert_allclose(solve(q, epsilon, log_weights), exact, rtol=0.03)

    @pytest.mark.parametrize("kl", [0.12, 1.48, 3.0])
    def test_kl_is_the_exact_one(self, kl):
        q, log_weights = self.drawn(self.rate_of(kl), 64)
        found = temperature.mean_kl(q, tf.constant(1.0, tf.float64), log_weights)
        np.testing.assert_allclose(found, kl, rtol=0.03)

    def test_actions_of_the_prior_alone_would_not_tell(self):
        rng, rate = np.random.default_rng(0), self.rate_of(1.48)
        q = rate * rng.uniform(-1.0, 1.0, (256, 16, self.DIMS)).sum(axis=-1)
        assert temperature.mean_kl(tf.constant(q), tf.constant(1.0, tf.float64)) < 0.85 * 1.48
        assert solve(q, 2.4) < 0.5 * rate / self.rate_of(2.4)

    def test_what_many_actions_can_measure_is_measured_within_a_tenth(self):
        for num_actions in (16, 64):
            kl = temperature.largest_kl(num_actions)
            q, log_weights = self.drawn(self.rate_of(1.48), num_actions)
            exact = self.rate_of(1.48) / self.rate_of(kl)
            np.testing.assert_allclose(solve(q, kl, log_weights), exact, rtol=0.1)

    def test_no_action_weighs_more_than_its_share_allows(self):
        _, log_weights = self.drawn(self.rate_of(3.0), 64)
        assert np.max(log_weights) <= np.log(2.0) + 1e-9

    def test_effective_actions_fall_with_the_distance(self):
        q, log_weights = self.drawn(self.rate_of(1.48), 64)
        alphas = [tf.constant(alpha, tf.float64) for alpha in (1e-6, 0.3, 1.0, 10.0)]
        found = [float(temperature.effective_actions(q, alpha, log_weights)) for alpha in alphas]
        assert found == sorted(found)
        np.testing.assert_allclose(found[0], 1.0, rtol=1e-3)
        assert found[2] > 32

    def test_equal_weights_all_count(self):
        q = tf.zeros([8, 16], tf.float64)
        effective = temperature.effective_actions(q, tf.constant(0.1, tf.float64), q)
        np.testing.assert_allclose(effective, 16.0)
