"""Policies with parameters that are not initial ones, and integrals over the action box."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import special

from quinoa.agents import networks, protocol
from quinoa.agents.config import Convolutions, LayerNorm
from quinoa.agents.observations import ObservationSet
from quinoa.agents.policies import (
    AutoregressivePolicy,
    BatchNormGaussianPolicy,
    CategoricalPolicy,
    EpsilonGreedyPolicy,
    FlowPolicy,
    MultiCategoricalPolicy,
    TanhGaussianPolicy,
)
from quinoa.agents.policies.couplings import Additive, Affine, Couplings, PiecewiseLinear
from quinoa.agents.policies.gaussian_flow import GaussianFlowPolicy, LogStddev
from tests.agents.fixtures import perturb

OBSERVATION_SIZE = 3
FLOWS = ("flow", "piecewise_flow")
SMOOTH = ("flow", "gaussian", "gaussian_flow")
CONTINUOUS = (*FLOWS, "gaussian", "gaussian_flow")
ALL = (*CONTINUOUS, "multicategorical")
# With layer or batch normalisation, of residual blocks, and with dimensions in order: what other
# code computes than in TensorFlow.
NORMED = (
    "normed_gaussian",
    "normed_multicategorical",
    "first_normed_multicategorical",
    "first_normed_gaussian",
    "first_normed_gaussian_flow",
    "batch_normed_gaussian",
    "residual_gaussian",
    "residual_multicategorical",
    "autoregressive",
)
# Over a finite set of actions.
FINITE_OF_IMAGES = ("categorical", "epsilon_greedy", "normed_categorical", "normed_epsilon_greedy")
FINITE = (
    *FINITE_OF_IMAGES,
    "first_normed_categorical",
    "residual_categorical",
    "residual_epsilon_greedy",
)
# The first flow with other bounds, for tests that depend on them.
BOUNDED = "bounded_flow"
# Of the Gaussian flow.
LOG_STDDEV_BOUNDS = (-3.0, -0.3)
MAX_SHIFT = 2.0

Array = npt.NDArray[np.float64]


def couplings(kind: str) -> Couplings:
    """The couplings of a kind of flow."""
    if kind == "flow":
        return Affine(max_log_scale=0.7, max_shift=2.0)
    if kind == BOUNDED:
        return Affine.bounded(num_couplings=4, max_log_scale=0.7, max_shift=2.0)
    # Edges of bins are edges of the grids that the tests integrate on.
    return PiecewiseLinear(num_bins=4)


def make_flow(kind: str, action_size: int) -> FlowPolicy:
    """A flow as it is at the start: uniform."""
    tf.random.set_seed(1)
    return FlowPolicy(
        OBSERVATION_SIZE,
        action_size,
        couplings=couplings(kind),
        # Of piecewise-linear ones a second pair would move the edges of the first one's bins.
        num_couplings=2 if kind == "piecewise_flow" else 4,
        hidden_sizes=(16, 16),
    )


def make_gaussian_flow(action_size: int, layer_norm: LayerNorm = True) -> GaussianFlowPolicy:
    """A Gaussian flow as it is at the start."""
    tf.random.set_seed(1)
    return GaussianFlowPolicy(
        OBSERVATION_SIZE,
        action_size,
        couplings=Additive(max_shift=MAX_SHIFT),
        num_couplings=4,
        hidden_sizes=(16, 16),
        layer_norm=layer_norm,
        log_stddev=LogStddev(
            OBSERVATION_SIZE, action_size, hidden_sizes=(16,), bounds=LOG_STDDEV_BOUNDS
        ),
    )


def _layer_norm(kind: str) -> LayerNorm:
    return "first" if kind.startswith("first_normed_") else kind.startswith("normed_")


def make_policy(kind: str, action_size: int, *, seed: int = 0) -> protocol.Policy:
    """A policy whose every variable has been moved at random."""
    tf.random.set_seed(1)
    policy: protocol.Policy
    layers: dict[str, Any] = {
        "hidden_sizes": (16, 16) if kind in NORMED else (16,),
        "layer_norm": _layer_norm(kind),
        "residual": kind.startswith("residual_"),
    }
    kind = kind.removeprefix("first_").removeprefix("normed_").removeprefix("residual_")
    if kind in (*FLOWS, BOUNDED):
        policy, scale = make_flow(kind, action_size), 0.6 if kind == "piecewise_flow" else 0.3
    elif kind == "gaussian_flow":
        policy, scale = make_gaussian_flow(action_size, layers["layer_norm"] or True), 0.2
    elif kind == "batch_normed_gaussian":
        policy = BatchNormGaussianPolicy(OBSERVATION_SIZE, action_size, hidden_sizes=(16, 16))
        scale = 0.1
    elif kind == "gaussian":
        policy = TanhGaussianPolicy(OBSERVATION_SIZE, action_size, **layers)
        # Narrow, with a deviation near 0.2; at the start it is nearly uniform.
        biases = networks.layers_of(policy._network)[-1].biases
        biases.assign(tf.zeros_like(biases))
        scale = 0.1
    elif kind == "autoregressive":
        policy = AutoregressivePolicy(
            OBSERVATION_SIZE, action_size, num_bins=11, num_units=8, **layers
        )
        scale = 0.5
    else:
        policy = MultiCategoricalPolicy(OBSERVATION_SIZE, action_size, num_bins=11, **layers)
        scale = 0.5
    perturb(policy.variables, scale, seed=seed)
    return policy


def make_finite(
    kind: str,
    number: int,
    *,
    seed: int = 0,
    observations: ObservationSet | int = OBSERVATION_SIZE,
    convolutions: Convolutions = "auto",
) -> protocol.Policy:
    """A policy over a finite set whose layers have been moved at random; ε is 0.3."""
    tf.random.set_seed(1)
    layers: dict[str, Any] = {
        "hidden_sizes": (16, 16),
        "layer_norm": _layer_norm(kind),
        "residual": kind.startswith("residual_"),
        "convolutions": convolutions,
    }
    policy: protocol.Policy
    if kind.endswith("epsilon_greedy"):
        policy = EpsilonGreedyPolicy(observations, number, epsilon=0.3, **layers)
    else:
        policy = CategoricalPolicy(observations, number, **layers)
    rng = np.random.default_rng(seed)
    for variable in policy.trainable_variables:
        # So that what a convolution or a layer gives stays of the same size.
        inputs = max(int(np.prod(variable.shape[:-1])), 4)
        noise = rng.normal(size=variable.shape).astype(np.float32)
        variable.assign_add(inputs**-0.5 * noise)
    return policy


def observation(seed: int = 0) -> npt.NDArray[np.float32]:
    """One state, float32 [O]."""
    return np.random.default_rng(seed).normal(size=OBSERVATION_SIZE).astype(np.float32)


def repeated(state: npt.NDArray[np.float32], n: int) -> tf.Tensor:
    """The same state in each row, float32 [n, O]."""
    return tf.constant(np.tile(state, [n, 1]))


def jacobians(function: Callable[[tf.Tensor], tf.Tensor], points: tf.Tensor) -> tuple[Array, Array]:
    """Differentiates a function of rows, from [N, A] to [N, A].

    `GradientTape.batch_jacobian` gives the same, and traces a graph for it, which takes longer.

    Returns:
        The function's values, float32 [N, A]; each row's Jacobian, float64 [N, A, A].
    """
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(points)
        images = function(points)
        columns = tf.unstack(images, axis=1)
    rows = [tape.gradient(column, points) for column in columns]
    return images.numpy(), np.stack(rows, axis=1).astype(np.float64)


def log_prob_at(policy: protocol.Policy, state: npt.NDArray[np.float32]) -> Callable:
    """The policy's log-density in one state, as a function [N, A] → [N]."""

    def log_prob(actions: Array) -> Array:
        actions = actions.astype(np.float32)
        density = policy(repeated(state, len(actions))).log_prob(actions)
        return density.numpy().astype(np.float64)

    return log_prob


def cell_masses(log_prob: Callable, edges: Array, dims: int, nodes: int = 8) -> Array:
    """Integrates a density on [-1, 1]^dims over each cell of a grid, by Gauss-Legendre quadrature.

    The variable of integration is atanh(a), in which densities on the box are smooth, up to
    ±tanh(7): the strips beyond, where log_prob is what it is at ±tanh(7), get their width times it.

    Args:
        log_prob: from actions [N, dims] to log-densities [N].
        edges: increasing, from -1 to 1; the same grid in each dimension.
        dims: 1 or 2.
        nodes: of the quadrature, an interval and dimension.

    Returns:
        Probabilities, [len(edges) - 1] * dims.
    """
    inner = np.arctanh(np.clip(edges, -np.tanh(7.0), np.tanh(7.0)))
    # Long intervals are cut, so that the quadrature is as fine everywhere.
    points, weights, cells = [], [], []
    x, w = np.polynomial.legendre.leggauss(nodes)
    for cell, (low, high) in enumerate(itertools.pairwise(inner)):
        cuts = np.linspace(low, high, int(np.ceil((high - low) / 0.25)) + 1)
        for a, b in itertools.pairwise(cuts):
            y = 0.5 * (b - a) * x + 0.5 * (a + b)
            points.append(np.tanh(y))
            weights.append(0.5 * (b - a) * w / np.cosh(y) ** 2)
            cells.append(np.full(nodes, cell))
    strip = 1.0 - np.tanh(7.0)
    points.append(np.array([-1.0, 1.0]))
    weights.append(np.array([strip, strip]))
    cells.append(np.array([0, len(edges) - 2]))
    point, weight, cell_of = map(np.concatenate, (points, weights, cells))

    grids = np.meshgrid(*[np.arange(len(point))] * dims, indexing="ij")
    index = np.stack([grid.ravel() for grid in grids], axis=-1)
    density = np.exp(log_prob(point[index]))
    masses = np.zeros([len(edges) - 1] * dims)
    np.add.at(masses, tuple(cell_of[index].T), density * weight[index].prod(axis=-1))
    return masses


def p_value(counts: Array, masses: Array) -> float:
    """Pearson's chi-square test of counts against probabilities, rare cells taken together."""
    counts, masses = counts.ravel(), masses.ravel() / masses.sum()
    expected = counts.sum() * masses
    common = expected >= 10
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    if expected[-1] < 10:  # Too little even together: part of the last common cell.
        observed = np.append(observed[:-2], observed[-2:].sum())
        expected = np.append(expected[:-2], expected[-2:].sum())
    statistic = np.sum((observed - expected) ** 2 / expected)
    return float(special.chdtrc(len(expected) - 1, statistic))
