"""Batches with a share of a fixed set: which transitions there are, how many, and which first."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import tensorflow as tf
from dm_env import specs

from quinoa.agents.protocol import ConfigError, OffPolicyConfig
from quinoa.agents.replay import NStepReplay, UniformReplay
from quinoa.agents.replay.mixed import MixedSource, acted_config, mixed, running_returns
from quinoa.agents.replay.n_step import NStepWriter
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import ACTIONS_BETWEEN, RUNNING_RETURN, STATES_BETWEEN, WEIGHTS_BETWEEN
from quinoa.launch.checks.subject import part
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered, serve
from tests.agents.replay.test_n_step import GAMMA, Written, stream

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)
CONFIG = OffPolicyConfig(
    batch_size=8, samples_per_insert=16.0, min_replay_size=16, max_replay_size=400
)
# Numbers that no actor of these tests writes.
FIRST_FIXED, NUM_FIXED = 1000, 30
FIXED = numbered(np.arange(FIRST_FIXED, FIRST_FIXED + NUM_FIXED), SPEC)


def source(share=0.25, *, config=CONFIG, steps_per_call=5, load=lambda: FIXED) -> MixedSource:
    return mixed(
        lambda own: UniformReplay(own, LAYOUT, steps_per_call=steps_per_call), config, share, load
    )


def memory_of(*, seed=3):
    memory = source().memory(seed)
    memory.writer(100).append(numbered(np.arange(100), SPEC))
    return memory


def test_each_batch_has_its_share_of_the_set_and_of_what_actors_wrote():
    drawn = assert_numbered(memory_of().sample(200), SPEC)
    assert drawn.shape == (200, 8)
    is_fixed = drawn >= FIRST_FIXED
    assert (is_fixed.sum(axis=1) == 2).all()
    assert set(drawn[is_fixed]) == set(range(FIRST_FIXED, FIRST_FIXED + NUM_FIXED))
    assert set(drawn[~is_fixed]) == set(range(100))


def test_it_draws_as_many_batches_and_the_same_actors_transitions_as_without_the_set():
    """The ratio of gradient steps to transitions is the agent's, and the set is drawn apart."""
    number = 2
    plain = UniformReplay(acted_config(CONFIG, number), LAYOUT, steps_per_call=5).memory(3)
    plain.append(numbered(np.arange(100), SPEC))  # type: ignore[attr-defined]
    both = memory_of()
    np.testing.assert_array_equal(both.sample(4).reward[:, :6], plain.sample(4).reward)

    both, batches = memory_of(), 0
    while both.can_sample(CONFIG.batch_size):
        both.sample(1)
        batches += 1
    whole = UniformReplay(CONFIG, LAYOUT, steps_per_call=5).memory(3)
    whole.append(numbered(np.arange(100), SPEC))  # type: ignore[attr-defined]
    expected = 0
    while whole.can_sample(CONFIG.batch_size):
        whole.sample(1)
        expected += 1
    assert batches == expected == 168


def test_k_steps_at_once_are_k_single_steps_and_the_seed_settles_them():
    at_once = memory_of().sample(3)
    other = memory_of()
    singly = [other.sample(1) for _ in range(3)]
    again = memory_of().sample(3)
    for field, single, same in zip(
        at_once[:-1], zip(*(each[:-1] for each in singly), strict=True), again[:-1], strict=True
    ):
        np.testing.assert_array_equal(field, np.concatenate(single))
        np.testing.assert_array_equal(field, same)
    assert (memory_of(seed=4).sample(3).reward != at_once.reward).any()


def test_what_is_saved_is_what_actors_wrote(tmp_path):
    memory = memory_of()
    memory.save(tmp_path)
    restored = source().memory(3)
    restored.restore(tmp_path)
    assert len(restored) == len(memory) == restored.num_inserted == 100
    np.testing.assert_array_equal(restored.sample(2).reward, memory_of().sample(2).reward)


def test_superbatches_of_a_server_are_mixed_and_have_the_shapes_of_a_blank_one():
    of = source(share=0.5, config=dataclasses.replace(CONFIG, samples_per_insert=0.0))
    with serve(*of.tables()) as address:
        writer = of.writer(address, 20, should_stop=lambda: False)
        for start in range(0, 16 * 20, 20):
            writer.append(numbered(np.arange(start, start + 20), SPEC))
        writer.close()
        superbatches = of.superbatches(address, fingerprint=lambda: 0)
        superbatch = next(superbatches)
        superbatches.close()
    drawn = assert_numbered(superbatch, SPEC)
    assert drawn.shape == (5, 8)
    assert ((drawn >= FIRST_FIXED).sum(axis=1) == 4).all()
    blank = of.blank()
    assert blank is not None
    tf.nest.assert_same_structure(superbatch, blank)
    for one, other in zip(superbatch[:-1], blank[:-1], strict=True):
        assert one.shape == other.shape and one.dtype == np.asarray(other).dtype


def test_the_set_does_not_travel_with_the_source():
    def load():
        raise AssertionError("loaded where nothing is learned")

    of = source(load=load)
    assert len(of.tables()) == 1 and of.item_bytes == 16 * LAYOUT.row_bytes
    loaded = mixed(_make, CONFIG, 0.5, _load)
    before = len(pickle.dumps(loaded))
    loaded.memory(0)
    assert len(pickle.dumps(loaded)) == before


def _make(config):
    return UniformReplay(config, LAYOUT, steps_per_call=5)


def _load():
    return FIXED


@pytest.mark.parametrize("adds_between", [False, True])
def test_n_step_transitions_of_the_set_are_those_that_the_writer_would_make(adds_between):
    n = 3
    transitions, _ = stream()
    # One environment's, whole episodes without gaps.
    whole = part(transitions, (slice(None), 0))._replace(extras={})
    whole.last[-1] = True
    extras = {
        STATES_BETWEEN: specs.Array((n - 1, SPEC.observations.shape[0]), np.float32),
        ACTIONS_BETWEEN: specs.Array((n - 1, SPEC.actions.shape[0]), np.float32),
        WEIGHTS_BETWEEN: specs.Array((n - 1,), np.float32),
    }
    written = Written()
    writer = NStepWriter(written, n, GAMMA, between=extras if adds_between else ())
    for t in range(len(whole.reward)):
        writer.append(part(whole, slice(t, t + 1)))
    writer.close()
    layout = RowLayout(SPEC, extras if adds_between else None)
    config = dataclasses.replace(CONFIG, n_step=n, discount=GAMMA)
    found = NStepReplay(config, layout, steps_per_call=1).from_episodes(whole)
    for index in range(6):
        expected = np.concatenate([np.asarray(step[index]) for step, _ in written.steps])
        np.testing.assert_allclose(np.asarray(found[index]), expected, rtol=1e-6)
    if adds_between:
        weights = found.extras[WEIGHTS_BETWEEN]
        for name in extras:
            values = found.extras[name]
            expected = np.concatenate([step.extras[name] for step, _ in written.steps])
            # A state whose weight is 0 has no meaning.
            matters = weights > 0 if name == WEIGHTS_BETWEEN else (weights > 0)[..., None]
            np.testing.assert_allclose(values * matters, expected * matters, rtol=1e-6)


def test_running_returns_begin_anew_with_each_episode_and_are_among_the_extras():
    rewards = np.array([1, 2, 4, 8], np.float32)
    of = part(FIXED, slice(0, 4))._replace(
        reward=rewards, last=np.array([False, True, False, True])
    )
    np.testing.assert_allclose(running_returns(of, 0.5), [1, 2.5, 4, 10])
    layout = RowLayout(SPEC, {RUNNING_RETURN: specs.Array((), np.float32)})
    with_returns = mixed(
        lambda own: UniformReplay(own, layout, steps_per_call=1),
        dataclasses.replace(CONFIG, discount=0.5),
        0.5,
        lambda: of,
    )
    memory = with_returns.memory(0)
    acted = numbered(np.arange(20), SPEC)._replace(
        extras={RUNNING_RETURN: np.full(20, 7, np.float32)}
    )
    memory.writer(20).append(acted)
    drawn = memory.sample(50)
    assert (drawn.extras[RUNNING_RETURN][:, :4] == 7).all()
    assert set(drawn.extras[RUNNING_RETURN][:, 4:].ravel().tolist()) == {1, 2.5, 4, 10}


def test_a_share_that_leaves_one_side_nothing_and_extras_of_a_policy_are_refused():
    for share in (0.01, 0.99):
        with pytest.raises(ConfigError, match=r"demonstration_share = .* batch_size = 8"):
            source(share)
    layout = RowLayout(SPEC, {"log_prob": specs.Array((), np.float32)})
    with pytest.raises(ConfigError, match="they do not have log_prob"):
        mixed(lambda own: UniformReplay(own, layout, steps_per_call=1), CONFIG, 0.5, lambda: FIXED)
