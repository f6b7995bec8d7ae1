import math
import pickle

import numpy as np
import pytest

from quinoa.agents.config import NoisyConfig, OffPolicyConfig
from quinoa.agents.exploration import OrnsteinUhlenbeck


def test_its_deviation_and_correlation_are_those_of_the_process():
    theta, sigma = 0.15, 0.02
    noise = OrnsteinUhlenbeck(theta, sigma).start((2000, 2), seed=0)
    zeros = np.zeros((2000, 2), np.float32)
    for _ in range(100):
        before = noise.add(zeros)
    for _ in range(3):
        after = noise.add(zeros)
    assert after.dtype == np.float32
    deviation = sigma / math.sqrt(theta * (2.0 - theta))
    assert OrnsteinUhlenbeck(theta, sigma).stddev == pytest.approx(deviation)
    np.testing.assert_allclose(after.std(axis=0), deviation, rtol=0.05)
    np.testing.assert_allclose(after.mean(axis=0), 0.0, atol=5 * deviation / math.sqrt(2000))
    for i in range(2):
        correlation = np.corrcoef(before[:, i], after[:, i])[0, 1]
        assert correlation == pytest.approx((1.0 - theta) ** 3, abs=0.04)


def test_it_starts_at_0_and_again_where_an_episode_has_ended():
    noise = OrnsteinUhlenbeck(0.15, 1e-3).start((3, 1), seed=0)
    zeros = np.zeros((3, 1), np.float32)
    for _ in range(500):
        grown = noise.add(zeros)
    noise.restart(np.array([False, True, False]))
    process = noise._x.copy()
    assert process[1] == 0
    np.testing.assert_array_equal(process[[0, 2]], grown[[0, 2]])


def test_actions_stay_in_the_box_and_what_it_was_given_stays_as_it_was():
    noise = OrnsteinUhlenbeck(0.5, 2.0).start((200, 2), seed=0)
    action = np.full((200, 2), 0.9, np.float32)
    moved = noise.add(action)
    assert np.all(action == np.float32(0.9))
    assert moved.min() == -1.0 and moved.max() == 1.0
    # What is not finite is left for the environment to refuse.
    assert np.isnan(noise.add(np.full((200, 2), np.nan, np.float32))).all()


def test_the_seed_settles_it():
    process = OrnsteinUhlenbeck(0.15, 0.2)
    drawn = [
        process.start((4, 2), seed=seed).add(np.zeros((4, 2), np.float32)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.all(drawn[0] != drawn[2])
    # It is not what a policy draws from the same seed.
    assert not np.any(
        np.isin(drawn[0], 0.2 * np.random.default_rng(1).standard_normal(8, np.float32))
    )


def test_a_configuration_says_how_its_actors_explore():
    assert OffPolicyConfig().exploration() is None
    assert NoisyConfig(noise_sigma=0.0).exploration() is None
    found = NoisyConfig(noise_theta=0.5, noise_sigma=0.3).exploration()
    assert found == OrnsteinUhlenbeck(0.5, 0.3)
    assert pickle.loads(pickle.dumps(found)) == found
