import numpy as np
import pytest

from quinoa import environments
from quinoa.environments import UnknownEnvironmentError, didactic


def test_the_bandit_has_a_worse_mode_at_0_and_a_better_one():
    task = didactic.TwoGaussians()
    a = np.linspace(-1.0, 1.0, 2001)
    reward = task.reward(a)
    peaks = 1 + np.flatnonzero((reward[1:-1] > reward[:-2]) & (reward[1:-1] > reward[2:]))
    np.testing.assert_allclose(a[peaks], [0.0, 0.8], atol=2e-3)
    np.testing.assert_allclose(reward[peaks], [0.8, 1.0], atol=2e-3)


def test_an_episode_of_the_bandit_is_one_action():
    task = environments.make("didactic:two_gaussians", 0, arguments={"best": 0.5, "low": 0.1})
    first, step = task.reset(), task.step(np.array([0.5], np.float32))
    assert first.observation.tolist() == [0.0]
    assert step.last() and step.discount == 0.0
    # 0.5 is 2.5 deviations from 0.
    assert step.reward == pytest.approx(1.0 + 0.1 * np.exp(-0.5 * 2.5**2))


def make(**arguments):
    return environments.make("didactic:multi_goal", 3, arguments={"start_stddev": 0.0, **arguments})


@pytest.mark.parametrize(
    "direction", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)], ids=["east", "west", "n", "s"]
)
def test_every_goal_ends_the_episode_with_its_bonus(direction):
    task = make(goal_radius=1.5)
    task.reset()
    velocity = np.array(direction, np.float32)
    steps = [task.step(velocity) for _ in range(4)]
    for i, step in enumerate(steps):
        left = 5.0 - (i + 1)
        assert step.reward == pytest.approx(-(left**2) - 30.0 + 10.0 * (i == 3))
        np.testing.assert_allclose(step.observation, (i + 1) * velocity)
    assert [step.last() for step in steps] == [False, False, False, True]
    assert steps[-1].discount == 0.0
    assert task.step(velocity).first()


def test_it_is_cut_off_after_its_steps_and_stays_within_its_limits():
    task = make(limit=3.0, max_steps=6)
    task.reset()
    # The nearest goal is two away from where it is held.
    steps = [task.step(np.array([1.0, 1.0], np.float32)) for _ in range(6)]
    assert steps[-1].last() and steps[-1].discount == 1.0
    np.testing.assert_array_equal(steps[-1].observation, [3.0, 3.0])
    assert steps[-1].reward == pytest.approx(-(2.0**2 + 3.0**2) - 60.0)


def test_episodes_start_around_the_middle_by_the_seed():
    def starts(seed):
        task = environments.make("didactic:multi_goal", seed)
        return np.array([task.reset().observation for _ in range(300)])

    np.testing.assert_array_equal(starts(1), starts(1))
    assert np.any(starts(1) != starts(2))
    np.testing.assert_allclose(starts(1).std(axis=0), 0.1, rtol=0.2)


def test_another_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownEnvironmentError, match="didactic:multi_goal"):
        environments.check_name("didactic:multigoal")
    assert {"didactic:multi_goal", "didactic:two_gaussians"} <= set(
        environments.list_environments()
    )


def test_the_maze_pays_at_its_end_alone_and_the_dense_one_on_the_way_too():
    sparse, dense = (environments.make(f"didactic:{name}", 5) for name in ("maze", "maze_dense"))
    np.testing.assert_array_equal(sparse.reset().observation, dense.reset().observation)
    # Rows go down, columns to the right.
    way = [(0, 1)] * 18 + [(1, 0)] * 7 + [(0, -1)] * 17 + [(1, 0)] * 7 + [(0, 1)] * 25
    gained, length = 0.0, 0
    for action in way:
        one, other = (task.step(np.array(action, np.float32)) for task in (sparse, dense))
        np.testing.assert_array_equal(one.observation, other.observation)
        assert one.last() == other.last() and one.reward == one.last()
        gained, length = gained + float(other.reward), length + 1
        if one.last():
            break
    assert one.last() and one.discount == other.discount == 0.0
    assert 50 <= length < len(way)
    # All of the way, and the end.
    assert gained == pytest.approx(20 + 1, abs=0.3)


def test_the_maze_has_walls_and_ends_after_its_steps_as_truncation():
    task = environments.make(
        "didactic:maze", 0, arguments={"max_steps": 40, "speed": 0.3, "start_noise": 0.0}
    )
    task.reset()
    steps = [task.step(np.array([1.0, 0.0], np.float32)) for _ in range(40)]
    # From the middle of the first cell, once, to its lower wall.
    row = 2 * (1.5 + 0.3) / 7 - 1
    np.testing.assert_allclose([step.observation[0] for step in steps], row, atol=1e-6)
    assert steps[-1].last() and steps[-1].discount == 1.0 and steps[-1].reward == 0.0
    with pytest.raises(environments.InvalidEnvironmentError, match="speed must be above 0"):
        environments.make("didactic:maze", 0, arguments={"speed": 1.5})
