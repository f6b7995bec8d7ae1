import sys

import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from quinoa import environments
from quinoa.environments import adroit, gymnasium_env

SIZES = {"door": (39, 28), "hammer": (46, 26), "pen": (45, 24), "relocate": (39, 30)}


class DoorTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("adroit:door", 1)

    def make_action_sequence(self):
        for _ in range(202):  # Past the time limit.
            yield self.make_action()


class PenRepeatTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return environments.make("adroit:pen", 1, action_repeat=3)

    def make_action_sequence(self):
        for _ in range(70):
            yield self.make_action()


def test_the_four_tasks_are_listed():
    listed = [name for name in environments.list_environments() if name.startswith("adroit:")]
    assert listed == [f"adroit:{task}" for task in SIZES]


@pytest.mark.parametrize("task", SIZES)
def test_a_task_is_flat_within_the_box_and_cut_off_at_200_with_discount_1(task):
    with environments.make(f"adroit:{task}", 0) as environment:
        observations, actions = SIZES[task]
        assert environment.observation_spec() == specs.Array(
            (observations,), np.float32, "observation"
        )
        spec = environment.action_spec()
        assert (spec.shape, spec.dtype) == ((actions,), np.float32)
        assert np.all(spec.minimum == -1) and np.all(spec.maximum == 1)
        environment.reset()
        rng = np.random.default_rng(0)
        steps = [environment.step(rng.uniform(-1, 1, actions)) for _ in range(200)]
        assert [step.last() for step in steps] == [False] * 199 + [True]
        assert {float(step.discount) for step in steps} == {1.0}
        assert len({float(step.reward) for step in steps}) > 100  # The dense reward.
        assert environment.step(np.zeros(actions)).first()


def _distance(task, raw):
    """Between the palm and the object, by MuJoCo's own data."""
    data = raw.data
    if task == "door":
        palm, thing = data.site_xpos[raw.grasp_site_id], data.site_xpos[raw.handle_site_id]
    else:
        palm, thing = data.site_xpos[raw.S_grasp_site_id], data.xpos[raw.obj_body_id]
    return np.linalg.norm(palm - thing)


@pytest.mark.parametrize("task", ["door", "hammer", "relocate"])
def test_the_reward_pays_for_bringing_the_hand_to_the_object(task):
    name = adroit._TASKS[task].id_
    theirs = gymnasium_env.make(name, name, module="gymnasium_robotics")
    ours = adroit.load(task, 2)
    theirs.reset(seed=2)
    assert ours.reset().first()
    rng = np.random.default_rng(1)
    distances = []
    for _ in range(50):
        action = rng.uniform(-1, 1, ours.action_spec().shape).astype(np.float32)
        _, reward, _, _, _ = theirs.step(action)
        distances.append(_distance(task, theirs.unwrapped))
        # Theirs has the term with the other sign.
        wanted = reward - 2 * 0.1 * distances[-1]
        assert ours.step(action).reward == pytest.approx(wanted, abs=1e-12)
    assert max(distances) - min(distances) > 0.01
    theirs.close(), ours.close()


def test_the_library_has_no_version_with_the_right_sign_yet():
    """When it does, that version takes the place of `AdroitEnvironment`."""
    import gymnasium

    adroit.load("door", 0).close()
    assert "AdroitHandDoor-v2" not in gymnasium.registry


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adroit:dor", r"Did you mean adroit:door\?"),
        ("adroit:xyzzy", r"The tasks are door, hammer, pen, relocate\."),
    ],
)
def test_an_unknown_task_is_told_which_there_are(name, message):
    with pytest.raises(environments.UnknownEnvironmentError, match=message):
        environments.make(name, 0)


def test_without_the_library_one_line_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(
        environments.InvalidEnvironmentError,
        match=r"^adroit:pen cannot be made here: .*gymnasium_robotics",
    ):
        environments.make("adroit:pen", 0)
