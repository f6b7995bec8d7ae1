from __future__ import annotations

import numpy as np

from quinoa.demonstrations import episodes
from quinoa.demonstrations.episodes import EpisodeRecorder
from quinoa.environments import EnvironmentBatch, FaultKind
from tests.demonstrations.datasets import episode
from tests.environments.fakes import Episode, FaultyEnvironment


def test_transitions_are_in_time_order_and_tell_terminations_from_truncations():
    first, second = episode(3), episode(2, terminated=False, seed=1)
    found = episodes.transitions([first, second])
    np.testing.assert_array_equal(found.observation[:3], first.observations[:-1])
    np.testing.assert_array_equal(found.next_observation[3:], second.observations[1:])
    np.testing.assert_array_equal(found.action, [*first.actions, *second.actions])
    assert found.discount.tolist() == [1, 1, 0, 1, 1]
    assert found.last.tolist() == [False, False, True, False, True]


def test_whole_episodes_are_recorded_as_they_were_and_one_that_fails_is_dropped():
    script = [Episode(3), Episode(2, terminates=False)]
    batch = EnvironmentBatch(
        [
            FaultyEnvironment(script),
            # Its second step fails, in its first episode.
            FaultyEnvironment(script, identity=1, faults={2: FaultKind.RAISED}),
        ]
    )
    recorder = EpisodeRecorder(2)
    observation, rng = batch.reset(), np.random.default_rng(0)
    for _ in range(7):
        action = rng.uniform(-1, 1, (2, 2)).astype(np.float32)
        result = batch.step(action)
        recorder.add(observation, action, result)
        observation = result.observation
    found = recorder.episodes([2, 1])
    assert [len(each.rewards) for each in found] == [3, 2, 2]
    assert [each.terminated for each in found] == [True, False, False]
    for each, (identity, number) in zip(found, [(0, 0), (0, 1), (1, 1)], strict=True):
        steps = np.arange(len(each.rewards) + 1)
        expected = np.stack([np.full_like(steps, identity), np.full_like(steps, number), steps], 1)
        np.testing.assert_array_equal(each.observations[:, :3], expected)
        np.testing.assert_allclose(each.observations[1:, 3:], each.actions)
        np.testing.assert_array_equal(each.rewards, 100 * number + steps[1:])
