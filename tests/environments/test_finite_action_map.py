"""Actions of finite sets: an environment takes them as they are, and no others."""

import math

import dm_env
import numpy as np
import pytest
from dm_env import specs

from quinoa.agents.actions import FiniteProduct, action_set
from quinoa.environments import CanonicalEnvironment, EnvironmentBatch
from quinoa.environments.action_map import uniform_actions
from quinoa.environments.finite_action_map import FiniteActionMap
from tests.environments.fakes import FakeEnvironment

NUMBER = 3


OWN = specs.DiscreteArray(NUMBER, dtype=np.int64)


def made(action_spec=OWN):
    observation = np.zeros(2)
    steps = [dm_env.restart(observation), *[dm_env.transition(1.0, observation)] * 4]
    return FakeEnvironment(steps, action_spec=action_spec)


def test_the_canonical_spec_is_a_finite_set():
    spec = CanonicalEnvironment(made()).action_spec()
    assert isinstance(spec, specs.DiscreteArray)
    assert (spec.num_values, spec.dtype, spec.shape) == (NUMBER, np.int32, ())


def test_a_bounded_integer_is_a_finite_set_too():
    inner = made(specs.BoundedArray((), np.int8, -1, 1))
    environment = CanonicalEnvironment(inner)
    assert environment.action_spec() == CanonicalEnvironment(made()).action_spec()
    environment.reset()
    for action in range(NUMBER):
        environment.step(action)
    assert [(a.dtype, a.shape, int(a)) for a in inner.actions] == [
        (np.int8, (), action) for action in (-1, 0, 1)
    ]


def test_the_environment_gets_its_own_dtype():
    inner = made()
    environment = CanonicalEnvironment(inner)
    environment.reset()
    for action in (2, np.int32(0), np.float32(1)):
        environment.step(action)
    assert [(a.dtype, a.shape, int(a)) for a in inner.actions] == [
        (np.int64, (), action) for action in (2, 0, 1)
    ]


def test_an_own_action_of_a_small_dtype_is_mapped_back():
    """Where the difference to the least one does not fit into the dtype."""
    actions = FiniteActionMap(np.int8, 200, -100)
    np.testing.assert_array_equal(actions.canonical(np.array([-100, 90], np.int8)), [0, 190])
    with pytest.raises(ValueError, match="an action is 100, and not one of -100 to 99"):
        actions.canonical(np.array([100], np.int8))


def test_a_batch_steps_each_with_its_own():
    inner = [made() for _ in range(3)]
    batch = EnvironmentBatch(inner)
    batch.reset()
    step = batch.step(np.array([2, 0, 1], np.int32))
    assert step.reward.tolist() == [1.0] * 3
    assert [int(environment.actions[0]) for environment in inner] == [2, 0, 1]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (NUMBER, "takes actions from 0 to 2, not 3"),
        (-1, "from 0 to 2, not -1"),
        (0.5, r"from 0 to 2, not 0\.5"),
        (np.nan, "from 0 to 2, not nan"),
        ([1], r"of shape \(\), not \(1,\)"),
    ],
)
def test_what_is_no_action_is_refused(action, message):
    environment = CanonicalEnvironment(made())
    environment.reset()
    with pytest.raises(ValueError, match=message):
        environment.step(action)
    batch = EnvironmentBatch([made()])
    batch.reset()
    with pytest.raises(ValueError, match="takes actions"):
        batch.step(np.array([action]))


class TestChoices:
    """An environment whose action is a matrix of four integers, each with its own values."""

    OWN = specs.BoundedArray((2, 2), np.int64, [[0, -1], [5, 2]], [[1, 1], [5, 5]])
    NUMBERS = (2, 3, 1, 4)

    def test_the_canonical_spec_is_a_vector_of_indices(self):
        spec = CanonicalEnvironment(made(self.OWN)).action_spec()
        assert spec == specs.BoundedArray((4,), np.int32, 0, [1, 2, 0, 3], "action")
        assert action_set(spec) == FiniteProduct(self.NUMBERS)

    def test_the_environment_gets_its_own_integers(self):
        inner = made(self.OWN)
        batch = EnvironmentBatch([inner])
        batch.reset()
        for action in ([1, 2, 0, 3], [0, 0, 0, 0]):
            batch.step(np.array([action], np.int32))
        assert [action.tolist() for action in inner.actions] == [
            [[1, 1], [5, 5]],
            [[0, -1], [5, 2]],
        ]
        assert {action.dtype for action in inner.actions} == {np.dtype(np.int64)}

    @pytest.mark.parametrize(
        ("action", "message"),
        [
            ([1, 3, 0, 0], "whose choice 1 is from 0 to 2, not 3"),
            ([1, 1, 0, -1], "whose choice 3 is from 0 to 3, not -1"),
            ([1, 1, 0, np.nan], "whose choice 3 is from 0 to 3, not nan"),
            ([1, 1, 0], r"of shape \(1, 4\), not \(1, 3\)"),
        ],
    )
    def test_what_is_no_action_is_refused(self, action, message):
        batch = EnvironmentBatch([made(self.OWN)])
        batch.reset()
        with pytest.raises(ValueError, match=message):
            batch.step(np.array([action]))

    def test_the_environments_own_are_mapped_back(self):
        actions = CanonicalEnvironment(made(self.OWN)).action_map
        indices = np.array([[1, 2, 0, 3], [0, 0, 0, 0]], np.int32)
        found = actions.canonical(actions(indices))
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, indices)
        with pytest.raises(ValueError, match="choice 3 of an action is 6, and not one of 2 to 5"):
            actions.canonical([[[0, -1], [5, 6]]])
        with pytest.raises(ValueError, match=r"have the shape \(2,\), not \(2, 2\)"):
            actions.canonical([[0, 1]])

    def test_random_actions_are_all_of_them(self):
        spec = CanonicalEnvironment(made(self.OWN)).action_spec()
        drawn = uniform_actions(spec, np.random.default_rng(0), 300)
        assert drawn.dtype == np.int32 and drawn.shape == (300, 4)
        assert len(np.unique(drawn, axis=0)) == math.prod(self.NUMBERS)


def test_random_actions_are_all_of_them():
    drawn = uniform_actions(specs.DiscreteArray(NUMBER), np.random.default_rng(0), 200)
    assert drawn.dtype == np.int32
    assert np.unique(drawn).tolist() == [0, 1, 2]
