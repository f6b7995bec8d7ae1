import dm_env
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import test_utils

from quinoa import environments
from quinoa.environments import control


class CartpoleTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("control:cartpole:swingup", 1)


class CheetahRepeatTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("control:cheetah:run", 1, action_repeat=4)

    def make_action_sequence(self):
        spec = self.environment.action_spec()
        for _ in range(253):  # Past the time limit of 1000 inner steps.
            yield spec.generate_value()


class HumanoidTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("control:humanoid:run", 1)


def _all_tasks():
    suite = control._suite()  # Imports dm_control as our users do: without a renderer.
    return sorted(f"{domain}:{task}" for domain, task in suite.ALL_TASKS)


def test_the_names_are_those_of_the_suite():
    """They are read in its source."""
    assert sorted([*control.names(), *control.UNSUPPORTED]) == _all_tasks()


@pytest.mark.parametrize("name", _all_tasks())
def test_every_task_of_the_suite(name):
    if name in control.UNSUPPORTED:
        from dm_control import suite

        spec = suite.load(*name.split(":")).action_spec()
        assert min(np.abs(spec.minimum).min(), np.abs(spec.maximum).min()) >= 1e10
        with pytest.raises(environments.InvalidEnvironmentError, match=control.UNSUPPORTED[name]):
            environments.make(f"control:{name}", 3)
        return
    assert f"control:{name}" in environments.list_environments()
    with environments.make(f"control:{name}", 3) as environment:
        spec = environment.action_spec()
        observation_spec = environment.observation_spec()
        first = environment.reset()
        observation_spec.validate(first.observation)
        step = environment.step(np.full(spec.shape, 0.5, np.float32))
        observation_spec.validate(step.observation)
        environment.reward_spec().validate(step.reward)
        environment.discount_spec().validate(step.discount)
        raw = environment.inner.observation_spec()
        assert observation_spec.shape == (sum(int(np.prod(s.shape)) for s in raw.values()),)


def test_the_unsupported_tasks_are_those_without_bounds():
    # That the others have bounds is what `test_every_task_of_the_suite` finds.
    assert set(control.UNSUPPORTED) == {"lqr:lqr_2_1", "lqr:lqr_6_2"}
    assert not any("lqr" in name for name in environments.list_environments())


def test_agrees_with_dm_control():
    from dm_control import suite

    raw = suite.load("quadruped", "walk", task_kwargs={"random": 5})
    environment = environments.make("control:quadruped:walk", 5)
    spec = raw.action_spec()
    rng = np.random.default_rng(0)
    first, raw_first = environment.reset(), raw.reset()
    pairs = [(first, raw_first)]
    for action in rng.uniform(-1, 1, (20, 12)).astype(np.float32):
        inner = (spec.minimum + spec.maximum) / 2 + (spec.maximum - spec.minimum) / 2 * action
        pairs.append((environment.step(action), raw.step(inner)))
    assert pairs[-1][0].reward == pytest.approx(pairs[-1][1].reward)
    for step, raw_step in pairs:
        flat = np.concatenate([np.ravel(part) for part in raw_step.observation.values()])
        np.testing.assert_allclose(step.observation, flat, rtol=1e-4, atol=1e-5)


def test_a_time_limit_keeps_the_discount():
    environment = environments.make("control:cartpole:balance", 0, action_repeat=10)
    environment.reset()
    steps = [environment.step([0.0]) for _ in range(100)]
    assert [step.last() for step in steps] == [False] * 99 + [True]
    assert {float(step.discount) for step in steps} == {1.0}


def test_a_termination_has_discount_0(monkeypatch):
    # No supported task of the suite terminates by itself within a short time.
    environment = environments.make("control:cartpole:balance", 0)
    environment.reset()
    task = environment.inner.task
    monkeypatch.setattr(task, "get_termination", lambda physics: 0.0)
    step = environment.step([0.0])
    assert (step.step_type, step.discount) == (dm_env.StepType.LAST, 0)


def test_physics_that_diverges_is_a_fault():
    environment = environments.make("control:cheetah:run", 0)
    environment.reset()
    environment.inner.physics.data.qvel[:] = 1e12
    with pytest.raises(
        environments.EnvironmentFault, match=r"control:cheetah:run, at step 1 .*PhysicsError"
    ):
        environment.step(np.zeros(6))
