"""Natural policy gradients as regressions, and the damped soft Q-learning that is one of them.

The paper sums over T steps. Here each pair (s, a) counts by its weight [S, A], how often it is met:
a sum becomes an expectation, and the matrix Ψ, with a row for each step, the score [S, A, P].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quinoa.theory.complex_step import Array, jacobian
from quinoa.theory.soft_values import kl_divergence

_MAX_STEPS = 500


def fisher_information(weights: Array, score: Array) -> Array:
    """F = E[∇ log π ∇ log πᵀ] (section 5): [P, P].

    Args:
        weights: of the pairs, [S, A].
        score: ∇ log π, [S, A, P].
    """
    return np.einsum("sa,sap,saq->pq", weights, score, score)


def least_squares_step(weights: Array, slope: Array, target: Array) -> Array:
    """The shortest w that minimises E[½ (slope · w − target)²] (Eq. 66), [P].

    With the score as the slope it is F⁻¹ E[∇ log π · target]: with ε Δ_t as the target, ε times the
    natural gradient. Eq. 67 moves the parameters by ε w, which counts ε twice; they move by w.

    Args:
        weights: of the pairs, [S, A].
        slope: [S, A, P].
        target: [S, A].
    """
    root = np.sqrt(weights)
    rows = (root[..., None] * slope).reshape(-1, slope.shape[-1])
    step, *_ = np.linalg.lstsq(rows, (root * target).reshape(-1), rcond=1e-12)
    return step


def penalized_advantage(advantage: Array, policy: Array, reference: Array, tau: float) -> Array:
    """Δ − τ [log(π/π̄) − KL[π‖π̄]] (Eq. 70), [S, A].

    E[∇ log π times it] is the policy gradient with its penalty, that of Eq. 69. The penalty is that
    of the policy as it is before the step: Eq. 71 is printed with log(π_θ/π̄), which the regression
    would vary; the line below Eq. 78 has log(π_θold/π̄).

    Args:
        advantage: Δ, [S, A].
        policy: π, [S, A].
        reference: π̄, [S, A].
        tau: τ.
    """
    ratio = np.log(policy) - np.log(reference)
    return advantage - tau * (ratio - kl_divergence(policy, reference)[:, None])


def damped_target(
    old_q: Array, old_value: Array, old_kl: Array, advantage: Array, tau: float, epsilon: float
) -> Array:
    """Q̂^ε = (1 − ε) Q_θold + ε Q̂ (Eq. 74), where Q̂ = V_θold + τ KL_old + Δ: [S, A].

    With ε = 1 it is the target of soft Q-learning (Eq. 72).

    Args:
        old_q: Q_θold, [S, A].
        old_value: V_θold, [S].
        old_kl: KL[π_θold‖π̄], [S].
        advantage: Δ, [S, A].
        tau: τ.
        epsilon: ε.
    """
    backed_up = (old_value + tau * old_kl)[:, None] + advantage
    return (1.0 - epsilon) * old_q + epsilon * backed_up


def regress(
    function: Callable[[Array], Array], theta: Array, weights: Array, target: Array
) -> Array:
    """The parameters [P] that minimise E[½ (function(θ) − target)²], by Gauss-Newton steps.

    A step that does not lower the loss is halved until it does.

    Args:
        function: maps parameters [P] to [S, A]; analytic.
        theta: where to start, [P].
        weights: of the pairs, [S, A].
        target: [S, A].

    Raises:
        RuntimeError: no minimum after several hundred steps.
    """

    def loss(theta: Array) -> float:
        return float(0.5 * np.sum(weights * (function(theta) - target) ** 2))

    current = loss(theta)
    for _ in range(_MAX_STEPS):
        slope = jacobian(function, theta)
        step = least_squares_step(weights, slope, target - function(theta))
        while loss(theta + step) > current:
            step = 0.5 * step
            if np.linalg.norm(step) <= 1e-15 * (1.0 + np.linalg.norm(theta)):
                return theta
        theta = theta + step
        current = loss(theta)
        if np.linalg.norm(step) <= 1e-13 * (1.0 + np.linalg.norm(theta)):
            return theta
    raise RuntimeError(f"No minimum was found in {_MAX_STEPS} steps.")
