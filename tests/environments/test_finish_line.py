from __future__ import annotations

import numpy as np
import pytest

from quinoa import environments
from quinoa.environments import finish_line


def test_speed_counts_both_ways_and_past_the_line_there_is_more():
    task = finish_line.make(
        "didactic:swimmer", 0, finish_line=0.0, finish_reward=5.0, max_episode_steps=60
    )
    simulation = task.gymnasium_environment.unwrapped
    rng = np.random.default_rng(0)
    sides = set()
    task.reset()
    for step in range(60):
        action = rng.uniform(-1.0, 1.0, size=2)
        before = simulation.data.qpos[0]
        timestep = task.step(action)
        after = simulation.data.qpos[0]
        expected = abs(after - before) / simulation.dt - 1e-4 * np.sum(np.square(action))
        expected += 5.0 * (after > 0)
        assert timestep.reward == pytest.approx(expected)
        assert timestep.observation[0] == after
        sides.add((after > before, after > 0))
        assert timestep.last() == (step == 59)
    # Both ways were among them.
    assert {moved for moved, _ in sides} == {True, False}
    assert timestep.discount == 1.0
    assert task.step(action).first()
    task.close()


def test_it_has_a_name_and_the_paper_s_length():
    task = environments.make("didactic:swimmer", 0)
    assert task.observation_spec().shape == (10,)
    assert task.action_spec().shape == (2,)
    task.reset()
    lengths = [task.step(np.zeros(2, np.float32)).last() for _ in range(500)]
    assert lengths.index(True) == 499
    task.close()
