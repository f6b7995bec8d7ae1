import dataclasses

import numpy as np
import pytest
from acme import specs
from scipy import stats

from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import NStepReplay, UniformReplay
from quinoa.agents.replay.image_memory import ImageMemory
from quinoa.agents.rows import RowLayout
from tests.agents.replay.images import assert_of_stream, image_spec, stream

SPEC = image_spec()
LAYOUT = RowLayout(SPEC)
CONFIG = OffPolicyConfig(batch_size=500, min_replay_size=1, max_replay_size=1000, segment_length=8)
STEPS = stream(60, 2, 7)


def filled(config=CONFIG, steps=STEPS, seed=0, close=False):
    memory = ImageMemory(config, LAYOUT, seed)
    writer = memory.writer(2)
    for step in steps:
        writer.append(step)
    if close:
        writer.close()
    return memory


def numbers(*steps):
    return {number + 1000 * i for number in range(*steps) for i in range(2)}


def test_whole_segments_are_stored_and_drawn_uniformly():
    memory = filled()
    assert (len(memory), memory.num_inserted) == (2 * 56, 2 * 56)
    drawn = assert_of_stream(memory.sample(10), STEPS)
    assert drawn.shape == (10, 500) and memory.num_sampled == 5000
    values, counts = np.unique(drawn, return_counts=True)
    assert set(values) == numbers(56)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_what_is_under_way_at_the_end_is_stored_without_padding():
    memory = filled(close=True)
    assert len(memory) == 120
    assert set(assert_of_stream(memory.sample(4), STEPS).ravel()) == numbers(60)


@pytest.mark.parametrize("max_size", [16, 40, 41])
def test_the_oldest_segments_are_removed(max_size):
    memory = filled(dataclasses.replace(CONFIG, max_replay_size=max_size), close=True)
    # Segments of 8, of both environments in turn; those of the last step have 4.
    drawn = set(assert_of_stream(memory.sample(10), STEPS).ravel())
    assert len(memory) == len(drawn) <= max_size < len(memory) + 8
    assert drawn >= numbers(56, 60)
    assert memory.num_inserted == 120


def test_rows_that_are_no_transitions_are_not_stored():
    memory = ImageMemory(CONFIG, LAYOUT, 0)
    writer = memory.writer(2)
    for number, step in enumerate(STEPS[:8]):
        writer.append(step, np.array([number != 3, number > 5]))
    assert len(memory) == 9
    drawn = set(assert_of_stream(memory.sample(2), STEPS).ravel())
    assert drawn == {0, 1, 2, 4, 5, 6, 7, 1006, 1007}


def test_the_seed_settles_what_is_drawn():
    one, same, other = (filled(seed=seed).sample(2).reward for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_rate_is_kept():
    memory = filled(dataclasses.replace(CONFIG, min_replay_size=12, samples_per_insert=5.0))
    assert memory.can_sample(500) and not memory.can_sample(501)
    memory.sample(1)
    assert not memory.can_sample(1)
    assert not ImageMemory(CONFIG, LAYOUT, 0).can_sample(0)


@pytest.mark.parametrize("num_steps", [0, 20, 60])
def test_what_was_saved_is_restored(tmp_path, num_steps):
    config = dataclasses.replace(CONFIG, max_replay_size=60)
    saved = filled(config, STEPS[:num_steps], close=True)
    if num_steps:
        saved.sample(1)
    saved.save(tmp_path)
    memory = filled(config, STEPS[:9], seed=1)
    memory.restore(tmp_path)
    counts = (saved.num_inserted, saved.num_sampled, len(saved), saved.num_bytes)
    assert (memory.num_inserted, memory.num_sampled, len(memory), memory.num_bytes) == counts
    if num_steps:
        drawn = [set(assert_of_stream(each.sample(4), STEPS).ravel()) for each in (saved, memory)]
        assert drawn[0] == drawn[1]


def test_what_another_replay_stored_is_refused(tmp_path):
    filled().save(tmp_path)
    other = RowLayout(image_spec(channels=2))
    for memory in (
        ImageMemory(CONFIG, other, 0),
        ImageMemory(dataclasses.replace(CONFIG, max_replay_size=50), LAYOUT, 0),
    ):
        with pytest.raises(ValueError, match="another environment's, or another max_replay_size"):
            memory.restore(tmp_path)


def test_an_empty_replay_says_so():
    with pytest.raises(RuntimeError, match="empty"):
        ImageMemory(CONFIG, LAYOUT, 0).sample(1)


def test_a_transition_costs_as_many_bytes_as_is_said():
    large = RowLayout(SPEC._replace(observations=specs.BoundedArray((84, 84, 4), np.uint8, 0, 255)))
    memory = ImageMemory(dataclasses.replace(CONFIG, segment_length=16), large, 0)
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(52, 84, 84), dtype=np.uint8)
    writer = memory.writer(1)
    for t in range(48):
        stacks = [np.moveaxis(frames[at : at + 4], 0, -1)[None] for at in (t, t + 1)]
        writer.append(
            STEPS[0]._replace(
                observation=stacks[0],
                next_observation=stacks[1],
                **{name: getattr(STEPS[0], name)[:1] for name in ("action", "reward", "discount")},
                last=np.zeros(1, bool),
            )
        )
    assert memory.num_bytes / len(memory) < 1.3 * 84 * 84


def test_the_source_chooses_it_and_n_steps_go_through_it():
    assert isinstance(UniformReplay(CONFIG, LAYOUT, steps_per_call=2).memory(0), ImageMemory)
    steps = stream(30, 1, 1000)
    config = dataclasses.replace(CONFIG, discount=0.5, n_step=3)
    memory = NStepReplay(config, LAYOUT, steps_per_call=1).memory(0)
    writer = memory.writer(1)
    for step in steps:
        writer.append(step)
    writer.close()
    assert len(memory) == 30 and memory.can_sample(500) and memory.num_inserted == 30
    drawn = memory.sample(1)
    shown = np.flatnonzero(drawn.reward[0] < 28)[0]
    # r₀ + γ r₁ + γ² r₂ of consecutive rewards t, t + 1 and t + 2.
    t = round((drawn.reward[0, shown] - 1.0) / 1.75)
    np.testing.assert_array_equal(drawn.observation[0, shown], steps[t].observation[0])
    np.testing.assert_array_equal(
        drawn.next_observation[0, shown], steps[t + 2].next_observation[0]
    )
