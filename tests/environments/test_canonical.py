import asyncio
import collections

import dm_env
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import specs, test_utils

from quinoa.environments import CanonicalEnvironment, EnvironmentFault, InvalidEnvironmentError
from tests.environments.fakes import (
    Episode,
    FakeEnvironment,
    ImageEnvironment,
    ScriptedEnvironment,
)

MID = dm_env.StepType.MID
LAST = dm_env.StepType.LAST
GOOD = np.array([1.0, 2.0])


class ScriptedTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return CanonicalEnvironment(ScriptedEnvironment([Episode(3), Episode(5, False)]))


class ScriptedRepeatTest(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return CanonicalEnvironment(ScriptedEnvironment([Episode(3)]), action_repeat=2)


def test_flattens_in_the_specs_order_whatever_the_values_order():
    spec = collections.OrderedDict(
        z=specs.Array((2,), np.float64),
        height=specs.Array((), np.float64),
        arm=(specs.Array((2, 2), np.float32), {"touch": specs.Array((1,), np.int32)}),
        flag=specs.Array((), bool),
    )
    value = {
        "flag": True,
        "arm": (np.array([[4, 5], [6, 7]], np.float32), {"touch": np.array([8], np.int32)}),
        "height": 3.0,
        "z": GOOD,
    }
    environment = CanonicalEnvironment(
        FakeEnvironment([dm_env.restart(value)], observation_spec=spec)
    )
    observation = environment.reset().observation
    assert environment.observation_spec() == specs.Array((9,), np.float32, "observation")
    assert observation.dtype == np.float32
    np.testing.assert_array_equal(observation, [1, 2, 3, 4, 5, 6, 7, 8, 1])


def test_observations_are_not_written_again():
    buffer = np.zeros(2)
    steps = [dm_env.restart(buffer), *[dm_env.transition(0.0, buffer)] * 2]
    environment = CanonicalEnvironment(FakeEnvironment(steps))
    first = environment.reset().observation
    buffer[:] = 5
    second = environment.step([0.0]).observation
    buffer[:] = 6
    environment.step([0.0])
    np.testing.assert_array_equal([first, second], [[0, 0], [5, 5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_are_mapped_to_the_inner_bounds_and_stay_in_them(dtype):
    rng = np.random.default_rng(0)
    low = rng.uniform(-3, 0, (2, 3)).astype(dtype)
    high = (low + rng.uniform(0.1, 2, (2, 3))).astype(dtype)
    spec = specs.BoundedArray((2, 3), dtype, low, high)
    inner = FakeEnvironment(
        [dm_env.restart(GOOD), *[dm_env.transition(0.0, GOOD)] * 4], action_spec=spec
    )
    environment = CanonicalEnvironment(inner)
    assert environment.action_spec() == specs.BoundedArray((6,), np.float32, -1, 1, "action")
    environment.reset()
    for level in (-1.0, 1.0, 0.0, 1.5):
        environment.step(np.full(6, level))
    for action in inner.actions:
        spec.validate(action)
    np.testing.assert_array_equal(inner.actions[0], low)
    np.testing.assert_allclose(inner.actions[1], high, rtol=1e-6)
    np.testing.assert_allclose(inner.actions[2], (low + high) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inner.actions[3], inner.actions[1])


def test_an_action_is_kept_as_it_is_where_the_bounds_are_the_same():
    inner = ScriptedEnvironment([Episode(9)])
    environment = CanonicalEnvironment(inner)
    environment.reset()
    action = np.array([0.1, -0.7], np.float32)
    environment.step(action)
    action[:] = 0  # What the environment was given is its own.
    environment.step([-1.25, 3.0])
    expected = np.array([[0.1, -0.7], [-1, 1]], np.float32)
    np.testing.assert_array_equal(inner.actions, expected)
    assert inner.actions[0].dtype == np.float64


def test_action_repeat_sums_rewards_and_stops_at_the_end():
    inner = ScriptedEnvironment([Episode(5), Episode(5, terminates=False)])
    environment = CanonicalEnvironment(inner, action_repeat=3)
    environment.reset()
    step = environment.step([0, 0])
    assert (step.step_type, step.reward, step.discount) == (MID, 1 + 2 + 3, 1)
    step = environment.step([0, 0])
    assert (step.step_type, step.reward, step.discount) == (LAST, 4 + 5, 0)
    assert len(inner.actions) == 5
    assert environment.step([0, 0]).first()
    environment.step([0, 0])
    step = environment.step([0, 0])
    assert (step.step_type, step.reward, step.discount) == (LAST, 104 + 105, 1)


def test_action_repeat_multiplies_discounts():
    steps = [dm_env.restart(GOOD)] + [dm_env.transition(1.0, GOOD, d) for d in (0.5, 0.9, 0.8)]
    environment = CanonicalEnvironment(FakeEnvironment(steps), action_repeat=3)
    environment.reset()
    assert environment.step([0.0]).discount == np.float32(0.5 * 0.9 * 0.8)


def test_wrapping_again_changes_nothing():
    once = CanonicalEnvironment(ScriptedEnvironment([Episode(3)]), name="scripted")
    twice = CanonicalEnvironment(CanonicalEnvironment(ScriptedEnvironment([Episode(3)])))
    assert CanonicalEnvironment(once).name == "scripted"
    once.reset(), twice.reset()
    for a, b in zip(once.step([0.3, 0.1]), twice.step([0.3, 0.1]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_close_closes_the_inner_environment():
    inner = ScriptedEnvironment([Episode(1)])
    with CanonicalEnvironment(inner):
        pass
    assert inner.closed


@pytest.mark.parametrize("error", [RuntimeError("the window is gone"), SystemExit(0)])
def test_a_close_that_fails_is_said_once(error, caplog):
    class Unclosable(ScriptedEnvironment):
        def close(self):
            super().close()
            raise error

    inner = [Unclosable([Episode(1)]) for _ in range(3)]
    for environment in inner:
        CanonicalEnvironment(environment, name=f"unclosable {error}").close()
    assert all(environment.closed for environment in inner)
    (record,) = caplog.records
    assert (
        f"its close() fails, which changes nothing else: {type(error).__name__}" in record.message
    )


BOX = specs.BoundedArray((1,), np.float64, -1.0, 1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"action_spec": specs.BoundedArray((2,), bool, False, True)},
            "must be floats or integers, but their dtype is bool",
        ),
        ({"action_spec": {"arm": BOX}}, "must be one array, but its action spec is a dict"),
        ({"action_spec": specs.Array((2,), np.float64)}, "no finite bounds"),
        ({"action_spec": specs.BoundedArray((2,), float, [-1, -np.inf], 1.0)}, "no finite bounds"),
        ({"action_spec": specs.BoundedArray((2,), float, -1e10, 1e10)}, "no finite bounds"),
        ({"action_spec": specs.BoundedArray((2,), float, -1.0, np.nan)}, "no finite bounds"),
        ({"action_spec": specs.BoundedArray((0,), float, -1.0, 1.0)}, "takes no actions"),
        ({"observation_spec": {}}, "observations are empty"),
        ({"observation_spec": specs.Array((0,), float)}, "observations are empty"),
        ({"observation_spec": {"a": specs.StringArray(())}}, r"\['a'\] must be an array of num"),
        ({"observation_spec": {"a": None}}, r"\['a'\] must be an array of numbers"),
        (
            {"observation_spec": {"eye": specs.Array((8, 8, 3), np.uint8), "arm": BOX}},
            r"\['eye'\] is an array of bytes .* an image must be the whole observation",
        ),
        ({"observation_spec": specs.Array((2, 8, 8, 3), np.uint8)}, r"of shape \[H, W, C\]"),
        ({"observation_spec": specs.Array((0, 8, 3), np.uint8)}, "observations are empty"),
        ({"reward_spec": specs.Array((2,), float)}, "its reward must be one number"),
        ({"reward_spec": {"a": specs.Array((), float)}}, "its reward must be one number"),
        ({"discount_spec": specs.Array((1,), float)}, "its discount must be one number"),
    ],
)
def test_specs_that_cannot_be_made_canonical(changed, message):
    with pytest.raises(InvalidEnvironmentError, match=f"^mine: .*{message}"):
        CanonicalEnvironment(FakeEnvironment(**changed), name="mine")


def test_bounds_the_wrong_way_round():
    spec = specs.BoundedArray((1,), np.float64, -1.0, 1.0)
    spec._minimum, spec._maximum = spec._maximum, spec._minimum  # dm_env itself refuses these.
    with pytest.raises(InvalidEnvironmentError, match="exceed"):
        CanonicalEnvironment(FakeEnvironment(action_spec=spec))


@pytest.mark.parametrize("action_repeat", [0, -1, 1.0, True, "2"])
def test_action_repeat_must_be_a_positive_integer(action_repeat):
    with pytest.raises(ValueError, match="action_repeat must be an integer of at least 1"):
        CanonicalEnvironment(ScriptedEnvironment([Episode(1)]), action_repeat=action_repeat)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([0.0], r"shape \(2,\), not \(1,\)"),
        ([[0.0, 0.0]], r"shape \(2,\), not \(1, 2\)"),
        ([0.0, np.nan], r"not finite: nan at \[1\]"),
        ([np.inf, 0.0], r"not finite: inf at \[0\]"),
    ],
)
def test_bad_actions(action, message):
    environment = CanonicalEnvironment(ScriptedEnvironment([Episode(3)]), name="mine")
    environment.reset()
    with pytest.raises(ValueError, match=message):
        environment.step(action)
    assert environment.step([0.0, 0.0]).reward == 1  # A refused action has done nothing.


FAULTS = [
    (dm_env.transition(0.0, np.array([0.0, np.nan])), r"the observation\[1\] is nan"),
    (dm_env.transition(0.0, np.array([1e300, 0.0])), r"the observation\[0\] is inf"),
    (dm_env.transition(0.0, np.zeros(3)), r"the observation has shape \(3,\), not \(2,\)"),
    (dm_env.transition(0.0, np.zeros(1)), r"the observation has shape \(1,\), not \(2,\)"),
    (dm_env.transition(0.0, None), r"the observation has shape \(\), not \(2,\)"),
    (dm_env.transition(0.0, np.array(["a", "b"])), "the observation is missing, or is no array"),
    (dm_env.transition(np.nan, GOOD), "the reward is nan"),
    (dm_env.transition(-np.inf, GOOD), "the reward is -inf"),
    (dm_env.transition(1e39, GOOD), r"the reward is 1e\+39"),
    (dm_env.TimeStep(MID, None, 1.0, GOOD), "the reward None and the discount 1.0 must both be"),
    (dm_env.TimeStep(MID, 0.0, None, GOOD), "the reward 0.0 and the discount None must both be"),
    (dm_env.TimeStep(MID, GOOD, 1.0, GOOD), r"the reward array\(\[1., 2.\]\)"),
    (dm_env.transition(0.0, GOOD, 1.5), "the discount is 1.5"),
    (dm_env.transition(0.0, GOOD, -0.5), "the discount is -0.5"),
    (dm_env.transition(0.0, GOOD, np.nan), "the discount is nan"),
    (dm_env.restart(GOOD), "returned a .*FIRST.* step within an episode"),
    ((GOOD, 0.0, False, False, {}), r"step\(\) returned a tuple, not a dm_env.TimeStep"),
    (None, r"step\(\) returned a NoneType, not a dm_env.TimeStep"),
    (dm_env.TimeStep("mid", 0.0, 1.0, GOOD), "step of the type 'mid', which is no dm_env.StepType"),
    (dm_env.TimeStep(3, 0.0, 1.0, GOOD), "step of the type 3, which is no dm_env.StepType"),
    (dm_env.TimeStep(GOOD, 0.0, 1.0, GOOD), r"the type array\(.*, which is no dm_env.StepType"),
    (ZeroDivisionError("physics"), "ZeroDivisionError: physics"),
    (SystemExit(0), "SystemExit: 0"),
    (asyncio.CancelledError(), "CancelledError$"),
]


@pytest.mark.parametrize(("bad", "message"), FAULTS)
@pytest.mark.parametrize("action_repeat", [1, 2])
def test_faults_in_a_step(bad, message, action_repeat):
    good = [dm_env.transition(0.0, GOOD)] * (2 * action_repeat - 1)
    steps = [dm_env.restart(GOOD), *good, bad, dm_env.restart(GOOD)]
    environment = CanonicalEnvironment(
        FakeEnvironment(steps), name="mine", action_repeat=action_repeat
    )
    environment.reset()
    environment.step([0.0])
    with pytest.raises(EnvironmentFault, match=f"^mine, at step 2 of its episode: .*{message}"):
        environment.step([0.0])
    assert environment.step([0.0]).first()  # Not stepped on: it starts again.


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dm_env.restart(np.array([np.inf, 0.0])), r"the observation\[0\] is inf"),
        (dm_env.transition(0.0, GOOD), "reset.. returned a .*MID.* step, not a FIRST one"),
        ((GOOD, {}), r"reset\(\) returned a tuple, not a dm_env.TimeStep"),
        (OSError("no such model"), "OSError: no such model"),
        (SystemExit("no licence"), "SystemExit: no licence"),
    ],
)
def test_faults_in_a_reset(bad, message):
    environment = CanonicalEnvironment(FakeEnvironment([bad]), name="mine")
    with pytest.raises(EnvironmentFault, match=f"^mine, at its reset: .*{message}"):
        environment.reset()


@pytest.mark.parametrize("number", [int, np.int64, np.array])
@pytest.mark.parametrize("action_repeat", [1, 2])
def test_a_step_type_may_be_a_plain_number(number, action_repeat):
    def plain(timestep):
        return timestep._replace(step_type=number(int(timestep.step_type)))

    steps = [dm_env.restart(GOOD), dm_env.transition(1.0, GOOD), dm_env.truncation(2.0, GOOD)]
    steps = [steps[0], *steps[1:2] * (2 * action_repeat - 1), steps[2]]
    environment = CanonicalEnvironment(
        FakeEnvironment(list(map(plain, steps))), action_repeat=action_repeat
    )
    taken = [environment.reset(), environment.step([0.0]), environment.step([0.0])]
    assert [each.step_type for each in taken] == list(dm_env.StepType)
    assert all(isinstance(each.step_type, dm_env.StepType) for each in taken)


def test_only_ctrl_c_is_no_fault_of_the_environment():
    environment = CanonicalEnvironment(FakeEnvironment([KeyboardInterrupt()]))
    with pytest.raises(KeyboardInterrupt):
        environment.reset()


NESTED = {"a": specs.Array((2, 2), float), "b": (specs.Array((), float),)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": np.eye(2)}, r"the observation has the keys \['a'\], not \['a', 'b'\]"),
        ({"a": np.eye(2), "b": (0.0,), "c": 0.0}, r"has the keys \['a', 'b', 'c'\]"),
        ({"a": np.eye(2), "b": (0.0, 0.0)}, r"\['b'\] must be a sequence of 1"),
        ({"a": np.eye(2), "b": 0.0}, r"\['b'\] must be a sequence of 1"),
        (np.zeros(5), "the observation must be a mapping, not a ndarray"),
        ({"a": np.array([[0, 0], [np.nan, 0]]), "b": (0.0,)}, r"\['a'\]\[1, 0\] is nan"),
        ({"a": np.eye(2), "b": (np.nan,)}, r"\['b'\]\[0\] is nan"),
    ],
)
def test_faults_name_the_part_of_a_nested_observation(value, message):
    environment = CanonicalEnvironment(
        FakeEnvironment([dm_env.restart(value)], observation_spec=NESTED)
    )
    with pytest.raises(EnvironmentFault, match=message):
        environment.reset()


def test_a_key_that_goes_missing_within_an_episode():
    good = {"a": np.eye(2), "b": (0.0,)}
    steps = [dm_env.restart(good), dm_env.transition(0.0, {"a": np.eye(2)})]
    environment = CanonicalEnvironment(FakeEnvironment(steps, observation_spec=NESTED))
    environment.reset()
    with pytest.raises(EnvironmentFault, match=r"the observation\['b'\]\[0\] is missing"):
        environment.step([0.0])


def test_what_is_no_environment():
    with pytest.raises(InvalidEnvironmentError, match=r"of type object, not a dm_env\.Environment"):
        CanonicalEnvironment(object())


class TestImages:
    @pytest.mark.parametrize("shape", [(6, 5, 2), (6, 5)])
    def test_they_stay_bytes(self, shape):
        inner = ImageEnvironment(shape)
        environment = CanonicalEnvironment(inner)
        canonical = (*shape, 1)[:3]
        assert environment.observation_spec() == specs.BoundedArray(canonical, np.uint8, 0, 255)
        seen = [environment.reset(), *(environment.step(1) for _ in range(12))]
        assert [step.last() for step in seen].count(True) == 2
        for step in seen:
            assert (step.observation.dtype, step.observation.shape) == (np.uint8, canonical)
        np.testing.assert_array_equal(seen[-1].observation, inner.image().reshape(canonical))

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            (np.zeros((6, 5, 2)), r"the observation is float64 \(6, 5, 2\), not uint8 \(6, 5, 2\)"),
            (np.zeros((6, 5, 3), np.uint8), r"is uint8 \(6, 5, 3\), not uint8 \(6, 5, 2\)"),
            (None, r"is object \(\), not uint8"),
        ],
    )
    def test_what_is_none_is_a_fault(self, returned, message):
        environment = CanonicalEnvironment(ImageEnvironment(returns=np.array(returned)), name="it")
        environment.reset()
        environment.step(0)
        environment.step(0)
        with pytest.raises(EnvironmentFault, match=f"^it, at step 3 of its episode: .*{message}"):
            environment.step(0)
