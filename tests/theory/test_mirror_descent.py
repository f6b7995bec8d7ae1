"""IQ's Theorem 1, Theorem 2 and the limit in which it is the dueling architecture."""

import numpy as np
import pytest

from quinoa.theory import mirror_descent, soft_backups, soft_values, tabular_mdp
from tests.theory.problems import EXACT, WRONG, difference

SIZES = S, A = 5, 3
CASES = pytest.mark.parametrize(
    ("seed", "tau", "alpha"),
    [
        (seed, tau, alpha)
        for seed in range(3)
        for tau, alpha in [(1.0, 0.0), (0.1, 0.0), (0.1, 0.9), (0.5, 0.5), (0.3, 0.99), (0.2, 1.0)]
    ],
)


def make_mdp(seed):
    return tabular_mdp.random_mdp(np.random.default_rng(seed), S, A, 0.9)


@CASES
def test_iq_dp_is_mirror_descent_value_iteration(seed, tau, alpha):
    """Theorem 1, for 40 steps."""
    mdp = make_mdp(seed)
    iq = md = mirror_descent.uniform_iterate(mdp)
    wrong = mirror_descent.uniform_iterate(mdp)
    for _ in range(40):
        before, iq = iq, mirror_descent.iq_dp_step(mdp, iq, tau, alpha)
        md = mirror_descent.mirror_descent_step(mdp, md, alpha * tau, (1 - alpha) * tau)
        np.testing.assert_allclose(iq.log_policy, md.log_policy, rtol=EXACT, atol=EXACT)
        assert difference(iq.value, md.value) < EXACT
        # IQ Eq. 3, and that its policy is one.
        left = tau * iq.log_policy + iq.value[:, None]
        right = soft_values.q_of_value(mdp, before.value) + alpha * tau * before.log_policy
        assert difference(left, right) < EXACT
        assert difference(np.exp(iq.log_policy).sum(axis=1), np.ones(S)) < EXACT
        # With the weights exchanged it is another algorithm, unless they are equal.
        wrong = mirror_descent.mirror_descent_step(mdp, wrong, (1 - alpha) * tau, alpha * tau)
    assert (difference(wrong.log_policy, iq.log_policy) > WRONG) == (alpha != 0.5)


@CASES
def test_its_policy_maximises_what_theorem_1_says(seed, tau, alpha):
    """Any other is short of the maximum by τ times its divergence from it: a bandit's Eq. 6."""
    mdp, rng = make_mdp(seed), np.random.default_rng(seed)
    iterate = mirror_descent.uniform_iterate(mdp)
    for _ in range(5):
        before, iterate = iterate, mirror_descent.iq_dp_step(mdp, iterate, tau, alpha)
        q = soft_values.q_of_value(mdp, before.value)
        for _ in range(5):
            other = np.log(tabular_mdp.random_policy(rng, S, A))
            objective = mirror_descent.mirror_descent_objective(
                other, q, before.log_policy, alpha * tau, (1 - alpha) * tau
            )
            divergence = np.sum(np.exp(other) * (other - iterate.log_policy), axis=1)
            assert difference(objective, iterate.value - tau * divergence) < EXACT
            assert np.all(objective < iterate.value)


def test_without_the_munchausen_term_it_is_soft_value_iteration():
    mdp = make_mdp(0)
    iterate, ones = mirror_descent.uniform_iterate(mdp), np.ones(SIZES)
    q = soft_values.q_of_value(mdp, iterate.value)
    for _ in range(20):
        iterate = mirror_descent.iq_dp_step(mdp, iterate, 0.2, 0.0)
        assert difference(0.2 * iterate.log_policy + iterate.value[:, None], q) < EXACT
        q = soft_backups.boltzmann_backup(mdp, q, ones, 0.2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("tau", "alpha"), [(0.5, 0.0), (0.5, 0.5), (0.5, 0.9)])
def test_it_converges_to_the_optimal_policy_at_the_temperature_that_the_entropy_has(
    seed, tau, alpha
):
    """Section 3.1: that of the MDP regularised with (1 − α)τ."""
    mdp, ones = make_mdp(seed), np.ones(SIZES)
    iterate = mirror_descent.uniform_iterate(mdp)
    for _ in range(400):
        iterate = mirror_descent.iq_dp_step(mdp, iterate, tau, alpha)
    temperature = (1 - alpha) * tau
    best = soft_values.optimal_q(mdp, ones, temperature)
    expected = soft_values.boltzmann_policy(best, ones, temperature)
    assert difference(np.exp(iterate.log_policy), expected) < EXACT
    if alpha > 0:
        other = soft_values.optimal_q(mdp, ones, tau)
        other = soft_values.boltzmann_policy(other, ones, tau)
        assert difference(other, expected) > WRONG


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.3, 3.0])
def test_the_error_is_within_the_bound_after_every_step(seed, alpha, noise):
    """Theorem 2, with what its o(1/k) and O(1/k) stand for written out."""
    mdp, rng = make_mdp(seed), np.random.default_rng(seed)
    errors = list(rng.normal(scale=noise, size=(200, S, A)))
    bounds = mirror_descent.error_propagation(mdp, errors, 0.2, alpha)
    assert len(bounds) == 200
    for bound in bounds:
        assert bound.distance <= bound.errors + bound.vanishing + EXACT
    assert bounds[-1].vanishing < bounds[0].vanishing / 4
    if noise == 0:
        assert bounds[-1].errors == 0.0
        assert bounds[-1].distance <= bounds[-1].vanishing
    elif noise == 3.0 and alpha < 0.95:
        # The errors' part is needed: what is left of the start does not bound the distance.
        assert bounds[-1].distance > bounds[-1].vanishing


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 1.0])
def test_the_bound_is_of_errors_that_add_up_too(alpha):
    """The same error at every step, the worst that there is: averages do not help against it."""
    mdp = make_mdp(1)
    rng = np.random.default_rng(0)
    constant = rng.choice([-1.0, 1.0], size=SIZES)
    bounds = mirror_descent.error_propagation(mdp, [constant] * 400, 0.2, alpha)
    assert all(bound.distance <= bound.errors + bound.vanishing for bound in bounds)
    # For every α the errors' part has the same limit, 2/(1 − γ)², or without the sum 2/(1 − γ).
    limit = 2 / (1 - 0.9) ** (1 if alpha == 1 else 2)
    assert bounds[-1].errors == pytest.approx(limit, rel=1e-3)
    assert bounds[-1].distance > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_error_falls_as_alpha_rises(seed):
    """Independent errors cancel in the moving average; the regularised MDP is one for all α."""
    mdp, rng = make_mdp(seed), np.random.default_rng(seed)
    errors = list(rng.normal(scale=0.3, size=(400, S, A)))
    distances = []
    for alpha in (0.0, 0.5, 0.9):
        bounds = mirror_descent.error_propagation(mdp, errors, 0.2 / (1 - alpha), alpha)
        distances.append(np.mean([bound.distance for bound in bounds[100:]]))
    assert distances[0] > 1.2 * distances[1] > 1.2**2 * distances[2]


def test_with_the_divergence_alone_errors_average_out():
    """α = 1: the error of k steps is that of the mean of k errors."""
    mdp, rng = make_mdp(0), np.random.default_rng(0)
    bounds = mirror_descent.error_propagation(mdp, list(rng.normal(size=(3000, S, A))), 0.2, 1.0)
    assert bounds[-1].errors + bounds[-1].vanishing < 0.2 * bounds[20].errors
    assert bounds[-1].distance < 0.05
    plain = mirror_descent.error_propagation(mdp, list(rng.normal(size=(300, S, A))), 1e-3, 0.0)
    assert np.mean([bound.distance for bound in plain[100:]]) > 0.5


def test_without_a_temperature_the_implicit_q_is_the_dueling_architecture():
    """Section 3.3: it is below by τ ln of a number of actions, from 1 to A."""
    rng = np.random.default_rng(0)
    logits, value = rng.normal(size=SIZES), rng.normal(size=S)
    logits[0] = [1.0, 1.0, 0.0]
    dueling = mirror_descent.dueling_q(logits, value)
    np.testing.assert_allclose(dueling.max(axis=1), value, rtol=1e-15)
    for tau in (1.0, 0.1, 0.01, 1e-3, 1e-4):
        implicit = mirror_descent.implicit_q(logits, value, tau)
        short = dueling - implicit
        assert np.all(short > -EXACT) and np.all(short <= tau * np.log(A) + EXACT)
        # It is V that the policy's log is added to, whatever τ is.
        assert difference(soft_values.soft_value(implicit, np.ones(SIZES), tau), value) < EXACT
    # Two best actions in the first state, one in each of the others.
    np.testing.assert_allclose(short[0], tau * np.log(2), rtol=1e-8)
    assert np.max(np.abs(short[1:])) < EXACT
    assert difference(mirror_descent.implicit_q(logits, value, 1.0), dueling) > 0.1
