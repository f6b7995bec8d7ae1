"""The NumPy policy is the TensorFlow one that it was made of."""

import ast
import itertools
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from quinoa.agents.numpy_policy import arrays_of
from quinoa.agents.observations import Image
from quinoa.agents.policies import standalone
from quinoa.agents.policies.standalone import base
from tests.agents.policies import densities

EVERY = pytest.mark.parametrize("kind", (*densities.ALL, densities.BOUNDED, *densities.NORMED))
DIMS = pytest.mark.parametrize("dims", [1, 3])


def states(number=64):
    size = (number, densities.OBSERVATION_SIZE)
    return np.random.default_rng(1).normal(size=size).astype(np.float32)


def both(kind, dims, folder):
    """The original, and what is read from the file that its form was written to."""
    policy = densities.make_policy(kind, dims)
    arrays = arrays_of(policy)
    assert arrays is not None
    np.savez(folder / "policy.npz", **arrays)
    return policy, standalone.Policy.load(folder / "policy.npz")


@pytest.mark.parametrize("number", [1, 2, 4, 8, 9])
def test_few_rows_have_what_they_have_among_many(number):
    # Layers that are large enough to be multiplied row by row, and others that are not.
    sizes = (17, 256, 256, 66)
    rng = np.random.default_rng(0)
    arrays = {"layer_norm": np.array(0)}
    for i, shape in enumerate(itertools.pairwise(sizes)):
        arrays[f"network.{i}.w"] = rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32)
        arrays[f"network.{i}.b"] = rng.normal(size=shape[1]).astype(np.float32)
    forward = base.network(arrays, "network")
    inputs = rng.normal(size=(64, sizes[0])).astype(np.float32)
    few = forward(inputs[:number])
    assert few.dtype == np.float32
    np.testing.assert_allclose(few, forward(inputs)[:number], rtol=1e-4, atol=1e-5)


@EVERY
@DIMS
def test_log_probs_and_modes_are_the_originals(kind, dims, tmp_path):
    original, policy = both(kind, dims, tmp_path)
    distribution = original(tf.constant(states()))
    drawn = distribution.sample(seed=tf.constant([1, 2])).numpy()
    corners = np.ones_like(drawn)
    for actions in (drawn, corners, -corners):
        log_prob = policy.log_prob(states(), actions)
        np.testing.assert_allclose(log_prob, distribution.log_prob(actions), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(policy.mode(states()), distribution.mode(), atol=1e-4)


@EVERY
@DIMS
def test_samples_are_distributed_as_the_originals(kind, dims, tmp_path):
    original, policy = both(kind, dims, tmp_path)
    many = np.repeat(states(2), 20_000, axis=0)
    ours = policy.sample(many, np.random.default_rng(0)).reshape(2, -1, dims)
    theirs = original(tf.constant(many)).sample(seed=tf.constant([1, 2])).numpy()
    theirs = theirs.reshape(2, -1, dims)
    assert ours.dtype == np.float32
    assert np.abs(ours).max() <= 1
    for a, b in zip(ours, theirs, strict=True):
        # Quantiles rather than moments: these policies have more than one mode.
        for level in (0.1, 0.25, 0.5, 0.75, 0.9):
            # A bin is the same number but for its last bit.
            edge = np.quantile(b, level, axis=0) + 1e-4
            np.testing.assert_allclose(
                (a <= edge).mean(axis=0), (b <= edge).mean(axis=0), atol=0.02
            )


@EVERY
def test_one_state_gives_one_action_and_a_seed_the_same_again(kind, tmp_path):
    _, policy = both(kind, 2, tmp_path)
    state = states()[0]
    assert policy.mode(state).shape == (2,)
    first, again = (policy.sample(state, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (2,)
    np.testing.assert_array_equal(first, again)
    assert policy.log_prob(state, first).shape == ()
    with pytest.raises(ValueError, match=r"\[O\] or \[B, O\]"):
        policy.mode(state[None, None])


@pytest.mark.parametrize("kind", densities.FINITE)
def test_policies_over_finite_sets_are_the_originals_in_the_one_file_too(kind, tmp_path):
    original = densities.make_finite(kind, 5)
    arrays = arrays_of(original)
    assert arrays is not None
    np.savez(tmp_path / "policy.npz", **arrays)
    alone: dict[str, Any] = {}
    exec(standalone.one_file(), alone)
    distribution = original(tf.constant(states()))
    each = [np.full(64, action, np.int32) for action in range(5)]
    log_probs = np.stack([distribution.log_prob(action) for action in each])
    for policy_class in (standalone.Policy, alone["Policy"]):
        policy = policy_class.load(tmp_path / "policy.npz")
        mode = policy.mode(states())
        assert mode.dtype == np.int32
        np.testing.assert_array_equal(mode, distribution.mode())
        for action, expected in zip(each, log_probs, strict=True):
            log_prob = policy.log_prob(states(), action)
            np.testing.assert_allclose(log_prob, expected, rtol=1e-3, atol=1e-3)
        many = np.repeat(states(1), 40_000, axis=0)
        drawn = policy.sample(many, np.random.default_rng(0))
        assert drawn.dtype == np.int32 and drawn.shape == (40_000,)
        shares = np.bincount(drawn, minlength=5) / len(drawn)
        np.testing.assert_allclose(shares, np.exp(log_probs[:, 0]), atol=0.012)
        state, rng = states()[0], np.random.default_rng(0)
        assert policy.mode(state) == mode[0]
        assert policy.sample(state, rng).shape == policy.mode(state).shape == ()
        one = policy.log_prob(state, mode[0])
        assert one.shape == ()
        np.testing.assert_allclose(one, log_probs[mode[0], 0], rtol=1e-3)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind 'tabular' is not known"):
        standalone.Policy.from_arrays({"kind": np.array("tabular")})


def test_the_one_file_of_an_export_needs_numpy_alone_and_acts_the_same(tmp_path):
    source = standalone.one_file()
    imported = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - sys.stdlib_module_names == {"numpy"}
    alone: dict[str, Any] = {}
    exec(source, alone)
    for kind in (*densities.ALL, *densities.NORMED):
        _, policy = both(kind, 2, tmp_path)
        same = alone["Policy"].load(tmp_path / "policy.npz")
        action = policy.sample(states(), np.random.default_rng(0))
        np.testing.assert_array_equal(same.sample(states(), np.random.default_rng(0)), action)
        np.testing.assert_array_equal(same.mode(states()), policy.mode(states()))
        log_probs = (each.log_prob(states(), action) for each in (same, policy))
        np.testing.assert_array_equal(*log_probs)


BOARD, SCREEN = Image(10, 9, 4, maximum=1), Image(40, 36, 3)


@pytest.mark.parametrize("kind", densities.FINITE_OF_IMAGES)
@pytest.mark.parametrize(
    ("image", "convolutions"),
    [(BOARD, "auto"), (SCREEN, "auto"), (SCREEN, "a3c_standardized")],
    ids=["board", "screen", "standardized"],
)
def test_policies_of_images_are_the_originals_in_the_one_file_too(
    kind, image, convolutions, tmp_path
):
    original = densities.make_finite(kind, 5, observations=image, convolutions=convolutions)
    arrays = arrays_of(original)
    assert arrays is not None
    np.savez(tmp_path / "policy.npz", **arrays)
    alone: dict[str, Any] = {}
    exec(standalone.one_file(), alone)
    rng = np.random.default_rng(0)
    images = rng.integers(0, image.maximum, (20, *image.shape), np.uint8, endpoint=True)
    distribution = original(tf.constant(images))
    each = [np.full(20, action, np.int32) for action in range(5)]
    log_probs = np.stack([distribution.log_prob(action) for action in each])
    for policy_class in (standalone.Policy, alone["Policy"]):
        policy = policy_class.load(tmp_path / "policy.npz")
        np.testing.assert_array_equal(policy.mode(images), distribution.mode())
        ours = np.stack([policy.log_prob(images, action) for action in each])
        np.testing.assert_allclose(ours, log_probs, rtol=1e-3, atol=1e-3)
        assert policy.mode(images[0]) == policy.mode(images)[0]
        assert policy.sample(images[0], rng).shape == policy.log_prob(images[0], 1).shape == ()
        # A view of other strides is the same images.
        np.testing.assert_array_equal(policy.mode(np.asfortranarray(images)), policy.mode(images))
        for wrong in (images[..., :2], images.astype(np.float32), images[None], images[0, 0]):
            with pytest.raises(ValueError, match=r"Observations must be uint8 of shape"):
                policy.mode(wrong)
