import numpy as np
import pytest

from quinoa.agents.protocol import ConfigError, OnPolicyConfig
from quinoa.agents.rollouts import RolloutMemory
from quinoa.agents.rows import RowLayout
from tests.agents.fixtures import make_spec
from tests.agents.replay.helpers import assert_numbered, numbered

SPEC = make_spec()
LAYOUT = RowLayout(SPEC)
CONFIG = OnPolicyConfig(batch_size=24, segment_length=4)


def made():
    """A memory of 3 environments, 2 of one actor and 1 of another: two segments of each a batch."""
    memory = RolloutMemory(CONFIG, LAYOUT, 3)
    return memory, [memory.writer(2), memory.writer(1)]


def act(writers, step, masks=(None, None)):
    for writer, numbers, mask in zip(writers, ([0, 100], [200]), masks, strict=True):
        writer.append(numbered(np.array(numbers) + step, SPEC), mask)


def test_each_segment_is_given_out_once_and_whole():
    memory, writers = made()
    seen = []
    for step in range(16):
        act(writers, step)
        assert memory.can_sample(24) == (step in (7, 15))
        if memory.can_sample(24):
            batch = memory.sample(1)
            assert batch.reward.shape == (1, 6, 4)
            seen += assert_numbered(batch, SPEC)[0].tolist()
    assert sorted(seen) == [
        list(range(start, start + 4)) for of in (0, 100, 200) for start in range(of, of + 16, 4)
    ]
    assert (memory.num_inserted, memory.num_sampled, len(memory)) == (48, 48, 0)


def test_nothing_is_learned_from_that_was_acted_before_the_last_step():
    """Where one actor lacks a step, the other's are dropped until the batch is learned from."""
    memory, writers = made()
    for step in range(8):
        act(writers, step, (None, np.array([step != 5])))
    assert not memory.can_sample(24)
    act(writers, 8)
    numbers = memory.sample(1).observation[0, ..., 0].astype(int)
    assert {tuple(of) for of in numbers.tolist() if of[0] >= 200} == {
        (200, 201, 202, 203),
        (204, 206, 207, 208),
    }
    assert numbers[numbers < 200].max() == 107
    for step in range(9, 17):
        assert not memory.can_sample(24)
        act(writers, step)
    assert assert_numbered(memory.sample(1), SPEC).min() == 9


def test_a_batch_that_is_not_there_is_an_error():
    memory, writers = made()
    act(writers, 0)
    with pytest.raises(RuntimeError, match="no 6 segments"):
        memory.sample(1)


@pytest.mark.parametrize("num_environments", [2, 4, 5, 12])
def test_a_batch_must_have_as_many_segments_of_each_environment(num_environments):
    assert CONFIG.segments_per_environment(3) == 2
    assert CONFIG.segments_per_environment(6) == 1
    if 24 % (4 * num_environments):
        with pytest.raises(ConfigError, match=f"multiple of {4 * num_environments}"):
            RolloutMemory(CONFIG, LAYOUT, num_environments)


def test_a_batch_must_be_of_whole_segments():
    with pytest.raises(ConfigError, match="multiple of segment_length, which is 4"):
        OnPolicyConfig(batch_size=22, segment_length=4)
