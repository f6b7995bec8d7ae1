"""Random problems: an MDP, a reference policy, a temperature and a Q-function of parameters."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest

from quinoa.theory import complex_step, policy_gradients, q_functions, soft_values, tabular_mdp
from quinoa.theory.complex_step import Array

S, A = 3, 2
# How close two ways to compute the same number must be, and how far off a wrong one. Values are of
# the order of 1 to 10, gradients of 0.1 to 10.
EXACT, WRONG = 1e-10, 1e-4

SEEDS = range(4)
REFERENCES = ("uniform", "random")
Q_FUNCTIONS = ("table", "linear", "network")


@dataclasses.dataclass(frozen=True)
class Problem:
    """With what follows from θ: Q, its derivative, its Boltzmann policy, and what that has."""

    rng: np.random.Generator
    mdp: tabular_mdp.TabularMDP
    reference: Array
    tau: float
    function: Callable[[Array], Array]
    theta: Array

    @functools.cached_property
    def q(self) -> Array:
        return self.function(self.theta)

    @functools.cached_property
    def dq(self) -> Array:
        return complex_step.jacobian(self.function, self.theta)

    @functools.cached_property
    def policy(self) -> Array:
        return soft_values.boltzmann_policy(self.q, self.reference, self.tau)

    @functools.cached_property
    def value(self) -> Array:
        return soft_values.soft_value(self.q, self.reference, self.tau)

    @functools.cached_property
    def kl(self) -> Array:
        return soft_values.kl_divergence(self.policy, self.reference)

    @functools.cached_property
    def score(self) -> Array:
        return policy_gradients.score_of_log_policy(self.policy, self.dq / self.tau)

    def policy_of(self, theta: Array) -> Array:
        return soft_values.boltzmann_policy(self.function(theta), self.reference, self.tau)

    def gradient(self, function: Callable[[Array], Array]) -> Array:
        """The true derivative of a function of θ, there."""
        return complex_step.jacobian(function, self.theta)

    def random_distribution(self) -> Array:
        return self.rng.dirichlet(np.ones(self.mdp.num_states))


def make(
    seed: int,
    reference: str = "random",
    q_function: str = "table",
    discount: float = 0.9,
    sizes: tuple[int, int] = (S, A),
) -> Problem:
    rng = np.random.default_rng(seed)
    mdp = tabular_mdp.random_mdp(rng, *sizes, discount)
    if reference == "uniform":
        policy = tabular_mdp.uniform_policy(*sizes)
    else:
        policy = tabular_mdp.random_policy(rng, *sizes)
    function: q_functions.Table | q_functions.Linear | q_functions.Network
    if q_function == "table":
        function = q_functions.Table(*sizes)
    elif q_function == "linear":
        # Fewer parameters than a table of log-probabilities has.
        features = rng.normal(size=(*sizes, sizes[0] * (sizes[1] - 1) - 1))
        function = q_functions.Linear(features)
    else:
        function = q_functions.Network(rng.normal(size=(sizes[0], 2)), sizes[1], num_hidden=3)
    # Policies that are not almost deterministic, where almost every gradient would be 0.
    theta = rng.normal(scale=0.5, size=function.num_parameters)
    return Problem(rng, mdp, policy, float(rng.uniform(0.4, 0.8)), function, theta)


# Every seed, reference and parametrisation.
EVERY = [
    pytest.param(seed, reference, q_function, id=f"{seed}-{reference}-{q_function}")
    for seed in SEEDS
    for reference in REFERENCES
    for q_function in Q_FUNCTIONS
]


def difference(one: Array, other: Array) -> float:
    """The largest absolute difference of two arrays of one shape."""
    assert np.shape(one) == np.shape(other)
    return float(np.max(np.abs(one - other)))
