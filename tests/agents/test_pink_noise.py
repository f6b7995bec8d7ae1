import numpy as np
import pytest

from quinoa.agents.pink_noise import TIMES, PinkNoise


def drawn(num_steps, size, *, seed=0, uniform=False):
    """What the first call of each step gives, [num_steps, *size]."""
    noise, steps = PinkNoise(seed), []
    for _ in range(num_steps):
        noise.begin_step()
        steps.append(noise.random(size) if uniform else noise.standard_normal(size))
    return np.array(steps)


@pytest.mark.parametrize("uniform", [False, True])
def test_the_numbers_of_a_step_are_independent_and_have_the_distribution(uniform):
    steps = drawn(30, (5000, 2), uniform=uniform)
    for numbers in (steps[0], steps[1], steps[29]):
        if uniform:
            assert numbers.min() >= 0.0 and numbers.max() < 1.0
            quantiles = np.quantile(numbers, [0.1, 0.5, 0.9])
            np.testing.assert_allclose(quantiles, [0.1, 0.5, 0.9], atol=0.02)
        else:
            quantiles = np.quantile(numbers, [0.1, 0.5, 0.9])
            np.testing.assert_allclose(quantiles, [-1.2816, 0.0, 1.2816], atol=0.05)
        assert np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1] == pytest.approx(0.0, abs=0.05)
        assert np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("lag", [1, 10, 100])
def test_successive_steps_are_correlated_as_the_sum_of_the_processes_is(lag):
    steps = drawn(lag + 4, (20_000,))
    expected = np.mean(np.exp(-lag / np.array(TIMES)))
    assert np.corrcoef(steps[3], steps[3 + lag])[0, 1] == pytest.approx(expected, abs=0.03)


def test_the_power_falls_as_one_over_the_frequency():
    """Over the periods of 8 to 1000 steps, which an episode has."""
    steps = drawn(4096, (64,))
    power = np.mean(np.abs(np.fft.rfft(steps, axis=0)) ** 2, axis=1)
    frequencies = np.fft.rfftfreq(len(steps), 1.0)
    band = (frequencies > 1 / 1000) & (frequencies < 1 / 8)
    slope, _ = np.polyfit(np.log(frequencies[band]), np.log(power[band]), 1)
    assert slope == pytest.approx(-1.0, abs=0.15)


def test_integers_are_equally_likely_and_stay_for_several_steps():
    noise, steps = PinkNoise(0), []
    for _ in range(3):
        noise.begin_step()
        steps.append(noise.integers(4, size=20_000))
    np.testing.assert_allclose(np.bincount(steps[2]) / 20_000, 0.25, atol=0.015)
    assert np.mean(steps[1] == steps[2]) > 0.4


def test_each_call_of_a_step_has_a_series_of_its_own():
    noise, first, second = PinkNoise(0), [], []
    for _ in range(3):
        noise.begin_step()
        first.append(noise.standard_normal((20_000,)))
        second.append(noise.standard_normal((20_000,), np.float32))
    assert second[0].dtype == np.float32
    assert np.corrcoef(second[1], second[2])[0, 1] > 0.5
    assert np.corrcoef(first[2], second[2])[0, 1] == pytest.approx(0.0, abs=0.03)


def test_what_it_gave_is_the_callers():
    noise = PinkNoise(0)
    first = noise.standard_normal((3,))
    before = first.copy()
    noise.begin_step()
    noise.standard_normal((3,))
    np.testing.assert_array_equal(first, before)


def test_the_seed_settles_it():
    one, same, other = (drawn(2, (4,), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


def test_a_call_of_another_size_is_an_error():
    noise = PinkNoise(0)
    noise.standard_normal((3, 2))
    noise.begin_step()
    with pytest.raises(ValueError, match=r"as many numbers in every step: \(3, 2\), and now \(4"):
        noise.standard_normal((4, 2))


def test_a_uniform_number_never_rounds_to_1(monkeypatch):
    noise = PinkNoise(0)
    monkeypatch.setattr(noise, "standard_normal", lambda size: np.full(size, 40.0))
    for dtype in (np.float32, np.float64):
        assert np.all(noise.random((3,), dtype) < 1.0)
