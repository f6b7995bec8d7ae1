import dm_env
import numpy as np
import pytest
from dm_env import specs

from quinoa.launch.checks import base, environment
from tests.launch import factories

HERE = "tests.launch.checks.test_environment"


class WrongDtype(factories.Match):
    def _observe(self):
        return super()._observe().astype(np.float64)


class EndsByDiscount(factories.Match):
    def step(self, action):
        return super().step(action)._replace(step_type=dm_env.StepType.MID)


class RewardAtReset(factories.Match):
    def reset(self):
        return super().reset()._replace(reward=0.0)


class Endless(factories.Match):
    def step(self, action):
        self._t = 0
        return super().step(action)


class StepsOn(factories.Match):
    def step(self, action):
        return super().step(action)._replace(step_type=dm_env.StepType.MID)


class Unseeded(factories.Match):
    def __init__(self, seed):
        super().__init__(np.random.default_rng().integers(1000))


class Shared(factories.Match):
    total = 0.0

    def step(self, action):
        Shared.total += 1.0
        timestep = super().step(action)
        return timestep._replace(observation=timestep.observation + np.float32(Shared.total))

    def observation_spec(self):
        return specs.Array((2,), np.float32)


class Good(factories.Match):
    def __init__(self, seed):
        super().__init__(seed)
        self._runs = False

    def reset(self):
        self._runs = True
        return super().reset()

    def step(self, action):
        if not self._runs:
            return self.reset()
        timestep = super().step(action)
        self._runs = not timestep.last()
        return timestep


def subject(kind):
    return environment.Subject(f"{HERE}:{kind.__name__}")


def test_a_good_environment_passes():
    findings: list[base.Finding] = []
    count, failed = base.go_through(environment.CHECKS, subject(Good), findings.append)
    assert (count, failed) == (len(environment.CHECKS), 0), findings


@pytest.mark.parametrize(
    ("check", "kind", "message"),
    [
        (environment.steps_are_as_its_specs_say, WrongDtype, "observation is not as its spec says"),
        (environment.steps_are_as_its_specs_say, EndsByDiscount, "discount 0, but the episode"),
        (environment.steps_are_as_its_specs_say, RewardAtReset, "return dm_env.restart"),
        (environment.episodes_end, Endless, "no episode ended .* end it at a time limit"),
        (environment.a_new_episode_follows_the_last_step, StepsOn, "on a new environment returned"),
        (environment.seeds_reproduce, Unseeded, "differ from step 0 on: draw all"),
        (environment.seeds_reproduce, Shared, "share no state between environments"),
        (environment.a_batch_is_its_environments, Shared, "they share state"),
    ],
)
def test_each_fault_is_one_line_that_says_what_to_change(check, kind, message):
    with pytest.raises(base.CheckError, match=message) as raised:
        check(subject(kind))
    assert "\n" not in str(raised.value)
