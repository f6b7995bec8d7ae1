import numpy as np
import pytest

from quinoa.theory import tabular_mdp
from tests.theory import problems


@pytest.mark.parametrize("seed", problems.SEEDS)
def test_a_stationary_distribution_stays_as_it_is(seed):
    problem = problems.make(seed)
    found = tabular_mdp.stationary_distribution(problem.mdp, problem.policy)
    step = problem.mdp.state_transition(problem.policy)
    assert problems.difference(found @ step, found) < 1e-14
    assert found.sum() == pytest.approx(1.0, abs=1e-14)
    # Where every start leads in the end.
    start = problem.random_distribution()
    assert problems.difference(start, found) > 0.01
    assert problems.difference(start @ np.linalg.matrix_power(step, 200), found) < 1e-12


def test_discounted_visits_are_the_sum_over_all_steps():
    problem = problems.make(0)
    start = problem.random_distribution()
    states, total = start, np.zeros(problems.S)
    for t in range(500):
        total += 0.9**t * states
        states = states @ problem.mdp.state_transition(problem.policy)
    visits = tabular_mdp.discounted_visits(problem.mdp, problem.policy, start)
    assert problems.difference(visits, total) < 1e-12
    assert visits.sum() == pytest.approx(1 / (1 - 0.9))


def test_a_return_without_an_end_or_a_discount_is_refused():
    problem = problems.make(0, discount=1.0)
    for function in (tabular_mdp.discounted_visits, tabular_mdp.discounted_return):
        with pytest.raises(ValueError, match="for a discount below 1 only"):
            function(problem.mdp, problem.policy, problem.random_distribution())


def test_tables_that_are_no_mdp_are_refused():
    transition, reward = np.full((2, 3, 2), 0.5), np.zeros((2, 3, 2))
    tabular_mdp.TabularMDP(transition, reward, 1.0)
    with pytest.raises(ValueError, match=r"must both be \[S, A, S\]; they are \[2, 3, 2\]"):
        tabular_mdp.TabularMDP(transition, reward[..., 0], 0.9)
    with pytest.raises(ValueError, match="reward must be finite"):
        tabular_mdp.TabularMDP(transition, reward + np.inf, 0.9)
    with pytest.raises(ValueError, match="must be a distribution"):
        tabular_mdp.TabularMDP(transition * 0.9, reward, 0.9)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]; it is 1.1"):
        tabular_mdp.TabularMDP(transition, reward, 1.1)


def test_the_expected_reward_is_that_of_steps():
    rng = np.random.default_rng(0)
    mdp = tabular_mdp.random_mdp(rng, 3, 2, 0.9)
    mean = sum(mdp.transition[1, 0, s] * mdp.reward[1, 0, s] for s in range(3))
    assert mdp.expected_reward()[1, 0] == pytest.approx(mean)
