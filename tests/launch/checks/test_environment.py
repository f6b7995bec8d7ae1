import re

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


class GoodChoice(Good, factories.Choose):
    pass


class GoodChoiceFromOne(GoodChoice):
    def step(self, action):
        return super().step(action - 1)

    def action_spec(self):
        return specs.BoundedArray((), np.int64, 1, self.NUMBER)


class NoTimeStep(Good):
    """Gymnasium's five."""

    def step(self, action):
        return super().step(action).observation, 0.0, False, False, {}


class RewardOfText(Good):
    def step(self, action):
        timestep = super().step(action)
        return timestep if timestep.first() else timestep._replace(reward="0.5")


class StepTypeOfText(Good):
    def reset(self):
        return super().reset()._replace(step_type="first")


class PlainStepTypes(Good):
    def reset(self):
        return super().reset()._replace(step_type=0)

    def step(self, action):
        timestep = super().step(action)
        return timestep._replace(step_type=int(timestep.step_type))


class SmallSeeds(Good):
    """Its simulator's seeds are of 24 bits."""

    def __init__(self, seed):
        if seed >= 2**24:
            raise ValueError("seed out of range")
        super().__init__(seed)


class AlmostAnySeed(Good):
    def __init__(self, seed):
        if seed == 2**31 - 1:
            raise ValueError("seed out of range")
        super().__init__(seed)


def subject(kind):
    return environment.EnvironmentSubject(f"{HERE}:{kind.__name__}")


@pytest.mark.parametrize("kind", [Good, PlainStepTypes, GoodChoice, GoodChoiceFromOne])
def test_a_good_environment_passes(kind):
    findings: list[base.Finding] = []
    count, failed = base.run_checks(environment.CHECKS, subject(kind), findings.append)
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


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoTimeStep, r"step 1 returned a tuple, not a dm_env.TimeStep: use"),
        (RewardOfText, r"step 1: the reward is '0.5', of type str: return a number"),
        (StepTypeOfText, r"reset\(\) returned a step of the type 'first', which is no dm_env"),
        (SmallSeeds, r"fails when it is made: ValueError: seed out of range \(test_environment.py"),
        (AlmostAnySeed, r"with the greatest seed that there is, 2147483647, .*take any seed from"),
    ],
)
def test_what_nothing_else_can_be_asked_of_is_said_first_and_alone(kind, message):
    findings: list[base.Finding] = []
    base.run_checks(environment.CHECKS, subject(kind), findings.append)
    (failed,) = [finding for finding in findings if finding.error is not None]
    assert failed is findings[-1]
    assert re.search(message, failed.error or "")


def test_seeds_are_as_large_as_those_of_runs():
    seeds = environment.EnvironmentSubject("any").seeds
    assert max(seeds) > 2**30
