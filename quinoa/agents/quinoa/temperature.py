"""The temperature α of the KL constraint, from its dual (Quinoa paper, section 6.1).

With Q held fixed, the policy that the constraint allows is softmax(log π̃ + Q/α). Its expectations
are taken over M actions in each state. Drawn from π̃ itself they stand for π̃ with a weight of 1/M
each; drawn from a distribution ν, with weights w_i proportional to π̃(a_i|s) / ν(a_i|s). The policy
has the weights softmax_i(log w_i + Q(s, a_i)/α).

Actions of π̃ alone say too little of a policy far from it: none may lie where that policy acts, and
the KL that they give is too small. So ν is a mixture with the present policy.
"""

from __future__ import annotations

import math

import tensorflow as tf

# Between the ends of the bracket, in log α: far enough for states whose Q differ in spread by
# twelve orders of magnitude.
_BRACKET = 30.0
# |log KL − log ε| at which the root is found.
_TOLERANCE = 1e-6


def mean_kl(q: tf.Tensor, alpha: tf.Tensor, log_weights: tf.Tensor | None = None) -> tf.Tensor:
    """The mean over states of KL(softmax(log π̃ + Q/α) ‖ π̃), of q's dtype [].

    It falls as α grows: from the mean over states of −log(the weight of the maximisers) at α → 0,
    which is log M where each maximum is one and the weights are equal, to 0, as Var(Q) / 2α², at
    α → ∞.

    Args:
        q: Q(s, a_i), floating [S, M].
        alpha: α > 0, of q's dtype [].
        log_weights: log w_i up to a constant a state, of q's dtype [S, M]; None for actions drawn
            from π̃.
    """
    x = (q - tf.reduce_max(q, axis=1, keepdims=True)) / alpha
    log_w = tf.nn.log_softmax(tf.zeros_like(q) if log_weights is None else log_weights)
    log_mean_exp = tf.reduce_logsumexp(log_w + x, axis=1)
    return tf.reduce_mean(tf.reduce_sum(tf.nn.softmax(log_w + x) * x, axis=1) - log_mean_exp)


def largest_kl(num_actions: int) -> float:
    """The largest mean KL from π̃ that M actions, half of them from π̃, can be asked to measure.

    Expectations under a policy, of actions drawn from π̃, take about exp(KL(policy ‖ π̃)) of them
    (Chatterjee & Diaconis, 2018, "The Sample Size Required in Importance Sampling"): this is
    log(M/2). The policy's own half makes them more precise, where it is near that policy.

    Args:
        num_actions: M.
    """
    return math.log(num_actions / 2.0)


def mixture_log_prob(
    prior_log_prob: tf.Tensor, policy_log_prob: tf.Tensor, policy_share: float
) -> tf.Tensor:
    """Log ν of actions of which a part is drawn from one density and the rest from another.

    As if each were drawn from the mixture: the balance heuristic (Veach & Guibas, 1995, "Optimally
    Combining Sampling Techniques for Monte Carlo Rendering", section 3), under which no action
    weighs more than 1 / (1 − share) times its weight among the former's.

    Args:
        prior_log_prob: of all actions under the density that 1 − share are drawn from, floating.
        policy_log_prob: the same under the other, of the same shape.
        policy_share: the part of the actions that is drawn from the latter, in (0, 1).

    Returns:
        log ν, of the same shape.
    """
    first = prior_log_prob + math.log(1.0 - policy_share)
    second = policy_log_prob + math.log(policy_share)
    return tf.reduce_logsumexp(tf.stack([first, second]), axis=0)


def effective_actions(q: tf.Tensor, alpha: tf.Tensor, log_weights: tf.Tensor) -> tf.Tensor:
    """How many equally weighted actions a state say as much of the policy, of q's dtype [].

    The mean over states of 1 / Σ_i p_i², p_i being the weights of the policy (Kish, 1965): between
    1, where one action has all the weight and the KL is not to be believed, and M.

    Args:
        q: as for `mean_kl`, as are the others.
        alpha: the temperature of that policy.
        log_weights: of the actions.
    """
    x = (q - tf.reduce_max(q, axis=1, keepdims=True)) / alpha
    share = tf.nn.softmax(tf.nn.log_softmax(log_weights) + x)
    return tf.reduce_mean(1.0 / tf.reduce_sum(tf.square(share), axis=1))


def solve(
    q: tf.Tensor, epsilon: float, log_weights: tf.Tensor | None = None, iterations: int = 50
) -> tf.Tensor:
    """The α that minimises αε + α E_s log E_{a~π̃} exp(Q/α) (Algorithm 2, line 4).

    The derivative of this convex function is ε − KL(α), whose zero regula falsi finds. It is taken
    in log α and log KL, where KL ∝ α⁻² for large α is a straight line, with the Illinois rule
    against a stuck end; in float64, as float32 loses a small KL in the difference of its terms.

    No α reaches ε where ε is not below KL's limit at α → 0 (see `mean_kl`; never above log M), as
    with Q that does not vary. The constraint does not bind there, and the dual falls all the way
    to α → 0: the answer is then the lower end of the bracket, tiny beside the spread of Q, or 0
    where there is no spread. The caller keeps α in bounds of its own.

    Args:
        q: Q(s, a_i), floating [S, M]. Adding a constant to a row changes nothing, and scaling all
            scales α. NaN or infinity gives NaN.
        epsilon: ε > 0, the mean KL that π may take from π̃.
        log_weights: as for `mean_kl`.
        iterations: evaluations of KL at most, after those at the ends of the bracket.

    Returns:
        α, of q's dtype [].
    """
    dtype = q.dtype
    q = tf.cast(q, tf.float64)
    if log_weights is not None:
        log_weights = tf.cast(log_weights, tf.float64)
    spread = tf.reduce_max(q, axis=1) - tf.reduce_min(q, axis=1)
    # KL ≤ spread² / 8α² (Hoeffding's lemma), so this is where KL ≤ ε surely.
    scale = tf.sqrt(tf.reduce_mean(tf.square(spread)) / (8.0 * epsilon))
    scale = tf.where(tf.math.is_finite(scale), scale, math.nan)
    # Rows are centred before the division, or a large constant would cost the small ones digits.
    q = tf.math.divide_no_nan(q - tf.reduce_max(q, axis=1, keepdims=True), scale)

    def excess(log_alpha: tf.Tensor) -> tf.Tensor:
        # Far below any ε, so that log takes no 0 where Q does not vary.
        kl = tf.maximum(mean_kl(q, tf.exp(log_alpha), log_weights), 1e-300)
        return tf.math.log(kl) - math.log(epsilon)

    def searching(
        count: tf.Tensor, middle: tf.Tensor, f_middle: tf.Tensor, *bracket: tf.Tensor
    ) -> tf.Tensor:
        del middle, bracket
        return (count < iterations) & (tf.abs(f_middle) > _TOLERANCE)

    def regula_falsi(
        count: tf.Tensor,
        middle: tf.Tensor,
        f_middle: tf.Tensor,
        low: tf.Tensor,
        f_low: tf.Tensor,
        high: tf.Tensor,
        f_high: tf.Tensor,
        side: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        f_middle = excess(middle)
        above = f_middle > 0  # KL above ε: α must grow.
        # Illinois: an end that stays a second time counts half.
        f_high = tf.where(above & (side == 1), 0.5 * f_high, f_high)
        f_low = tf.where(~above & (side == -1), 0.5 * f_low, f_low)
        low, f_low = tf.where(above, middle, low), tf.where(above, f_middle, f_low)
        high, f_high = tf.where(above, high, middle), tf.where(above, f_high, f_middle)
        return count + 1, middle, f_middle, low, f_low, high, f_high, tf.where(above, 1, -1)

    low, high = tf.constant(-_BRACKET, tf.float64), tf.constant(0.0, tf.float64)
    f_low, f_high = excess(low), excess(high)
    # Where KL cannot reach ε the search ends before it begins, at the low end.
    f_start = tf.where(f_low > 0, f_low, 0.0)
    state = (tf.constant(0), low, f_start, low, f_low, high, f_high, tf.constant(0))
    log_alpha = tf.while_loop(searching, regula_falsi, state)[1]
    return tf.cast(scale * tf.exp(log_alpha), dtype)
