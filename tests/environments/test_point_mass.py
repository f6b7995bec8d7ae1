from __future__ import annotations

import numpy as np
import pytest

from quinoa import environments
from quinoa.environments import InvalidEnvironmentError
from quinoa.environments.point_mass import PLACES, PointMass


def go(task, *forces):
    """Pushes, each force for some steps; returns the last time step."""
    for force, steps in forces:
        for _ in range(steps):
            timestep = task.step(np.array(force, np.float64))
    return timestep


def test_speed_is_rewarded_alike_in_all_directions_and_goes_to_its_greatest():
    angles = np.linspace(0.0, 2.0 * np.pi, 9)
    for angle in angles:
        task = PointMass("open_plane", 0, start_range=0.0)
        task.reset()
        force = np.array([np.cos(angle), np.sin(angle)])
        first = task.step(force)
        assert first.reward == pytest.approx(0.2)
        np.testing.assert_allclose(first.observation, [*(0.1 * force), *(0.2 * force)], atol=1e-12)
        last = go(task, (force, 40))
        assert last.reward == pytest.approx(1.0, abs=1e-3)
        # The velocity is what remains of the greatest: its sum is a geometric series.
        expected = 0.5 * (41 - 4.0 * (1 - 0.8**41))
        np.testing.assert_allclose(last.observation[:2], expected * force, rtol=1e-9, atol=1e-9)
    # A corner of the box is no stronger than its sides' middles.
    task.reset()
    assert task.step(np.ones(2)).reward == pytest.approx(0.2)


def test_a_hallway_stops_what_is_towards_its_walls():
    task = PointMass("hallway", 0)
    task.reset()
    against = go(task, ((0.0, 1.0), 20))
    assert against.reward == 0.0
    assert against.observation[1] == pytest.approx(0.5, abs=2e-3)
    # Along the wall it slides with what is left of the push.
    aslant = go(task, ((0.6, 0.8), 20))
    assert aslant.reward == pytest.approx(0.6, rel=0.05)
    assert aslant.observation[1] == pytest.approx(0.5, abs=2e-3)
    task.reset()
    end = go(task, ((-1.0, 0.0), 40))
    assert end.reward == 0.0
    assert end.observation[0] == pytest.approx(-6.5, abs=2e-3)


def test_the_target_of_the_u_maze_is_near_and_the_way_to_it_long():
    task = PointMass("u_maze", 0)
    assert task.target is not None and task.target.tolist() == [0.0, -2.0]
    first = task.reset()
    np.testing.assert_array_equal(first.observation, np.zeros(4))
    straight = go(task, ((0.0, -1.0), 30))
    assert straight.reward < 0.02
    assert straight.observation[1] == pytest.approx(-0.5, abs=2e-3)
    task.reset()
    around = go(task, ((1.0, 0.0), 18), ((0.0, -1.0), 9), ((-1.0, 0.0), 15))
    assert abs(around.observation[1] + 2.0) <= 0.5
    rewards = [task.step(np.array([-1.0, 0.0])).reward for _ in range(17)]
    assert max(rewards) > 0.6


def test_an_episode_is_cut_off_after_its_steps():
    task = environments.make("didactic:u_maze", 0, arguments={"max_steps": 3})
    task.reset()
    steps = [task.step(np.zeros(2, np.float32)) for _ in range(3)]
    assert [step.last() for step in steps] == [False, False, True]
    assert steps[-1].discount == 1.0
    assert task.step(np.zeros(2, np.float32)).first()


def test_episodes_start_where_the_seed_says():
    def starts(seed):
        task = PointMass("open_plane", seed)
        return np.array([task.reset().observation for _ in range(200)])

    np.testing.assert_array_equal(starts(1), starts(1))
    assert np.any(starts(1) != starts(2))
    assert 5.0 < np.abs(starts(1)[:, :2]).max() <= 6.0
    assert not starts(1)[:, 2:].any()


def test_no_push_ever_leads_into_a_wall():
    rng = np.random.default_rng(0)
    for place in ("hallway", "u_maze"):
        rows = PLACES[place].rows
        task = PointMass(place, 0, max_speed=0.9, response=1.0)
        column = max(line.find("S") for line in rows)
        row = next(i for i, line in enumerate(rows) if "S" in line)
        for _ in range(1500):
            x, y = task.step(rng.uniform(-1.0, 1.0, size=2)).observation[:2]
            assert rows[row - round(y)][column + round(x)] != "#"


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_speed", 1.0), ("response", 0.0), ("target_width", 0.0), ("start_range", 0.5)],
)
def test_what_cannot_work_is_refused_by_name(name, value):
    with pytest.raises(InvalidEnvironmentError, match=f"{name} must be"):
        environments.make("didactic:hallway", 0, arguments={name: value})
