from __future__ import annotations

import dataclasses
import json
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest
from dm_env import specs
from gymnasium import spaces

from quinoa import environments
from quinoa.demonstrations import spaces as demonstration_spaces
from quinoa.environments import CanonicalEnvironment, Layout
from tests.environments.fakes import FakeEnvironment, ImageEnvironment

SPACE = spaces.Dict(
    {
        "count": spaces.Discrete(3, start=-1),
        "where": spaces.Box(-9, 9, (2, 2)),
        "which": spaces.MultiDiscrete([2, 3], start=[0, 5]),
    }
)


class Mixed(gymnasium.Env[Any, Any]):
    """Observations of several kinds, actions of a shape and bounds of their own."""

    observation_space = SPACE
    action_space = spaces.Box(
        np.array([[-1.0, 0.0]]),
        np.array([[3.0, 1.0]]),
        dtype=np.float64,
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return self.observation_space.sample(), float(action.sum()), False, False, {}


@pytest.fixture
def environment():
    return environments.make("Mixed", 0, maker=Mixed)


def test_it_comes_back_from_json(environment):
    layout = Layout.of(environment)
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
    assert [part.name for part in layout.observation] == [
        "observation['count']",
        "observation['where']",
        "observation['which']",
    ]
    assert (layout.low, layout.high) == ((-1, 0), (3, 1))
    with pytest.raises(ValueError, match="no layout"):
        Layout.from_json({"observation": 3})


def test_it_says_the_specs_of_the_canonical_environment(environment):
    spec = Layout.of(environment).spec()
    assert spec == environments.environment_spec(environment)


def test_it_is_made_canonical_as_the_environment_does(environment):
    layout = Layout.of(environment)
    raw = environment.inner._environment
    seen = []
    raw_reset = raw.reset

    def remember(**options):
        result = raw_reset(**options)
        seen.append(result[0])
        return result

    raw.reset = remember
    flat = np.stack([environment.reset().observation for _ in range(5)])
    for observation, expected in zip(seen, flat, strict=True):
        ours, is_batch = layout.canonical(observation)
        assert not is_batch
        np.testing.assert_array_equal(ours, [expected])
    batch = {key: np.stack([each[key] for each in seen]) for key in SPACE}
    ours, is_batch = layout.canonical(batch)
    assert is_batch
    np.testing.assert_array_equal(ours, flat)


def test_it_maps_actions_as_the_environment_does(environment):
    actions = np.random.default_rng(0).uniform(-1, 1, (4, 2)).astype(np.float32)
    own = Layout.of(environment).action_map(actions)
    assert own.shape == (4, 1, 2) and own.dtype == np.float64
    assert all(Mixed.action_space.contains(action) for action in own)
    np.testing.assert_array_equal(own, environment.action_map(actions))


@pytest.mark.parametrize(
    ("observation", "message"),
    [
        ({"count": 0, "where": np.zeros((2, 2))}, r"observation\['which'\] is missing"),
        (
            {"count": 0, "where": np.zeros(3), "which": [0, 5]},
            r"has the shape \(3,\), not \(2, 2\)",
        ),
        ({"count": 2, "where": np.zeros((2, 2)), "which": [0, 5]}, "must be from -1 to 1"),
        ({"count": 0, "where": np.full((2, 2), np.nan), "which": [0, 5]}, "not finite"),
        ({"count": 0, "where": np.zeros((4, 2, 2)), "which": [0, 5]}, "not of one batch"),
        (7, r"observation\['count'\] is missing"),
    ],
)
def test_what_is_no_observation_is_refused(environment, observation, message):
    with pytest.raises(ValueError, match=message):
        Layout.of(environment).canonical(observation)


class TestChoices:
    def made(self, last=4):
        spec = specs.BoundedArray((2,), np.int64, [0, 2], [1, last])
        return CanonicalEnvironment(FakeEnvironment(action_spec=spec))

    def test_they_are_kept_as_json_and_say_the_specs(self):
        environment = self.made()
        layout = Layout.of(environment)
        assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
        assert layout.spec() == environments.environment_spec(environment)
        assert layout.numbers_of_actions == (2, 3)
        own = layout.action_map(np.array([[1, 0]], np.int32))
        assert own.dtype == np.int64 and own.tolist() == [[1, 2]]

    def test_what_differs_is_said(self, environment):
        layout = Layout.of(self.made())
        assert layout.difference(layout) == ""
        message = "now choices from 2, 4; they were choices from 2, 3"
        assert message in layout.difference(Layout.of(self.made(5)))


class TestFiniteSet:
    def made(self, number=4, first=0):
        spec = specs.DiscreteArray(number, dtype=np.int64)
        if first:
            spec = specs.BoundedArray((), np.int64, first, first + number - 1)
        return CanonicalEnvironment(FakeEnvironment(action_spec=spec))

    def test_it_is_kept_as_json_and_says_the_specs(self):
        environment = self.made()
        layout = Layout.of(environment)
        assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
        assert layout.spec() == environments.environment_spec(environment)
        own = layout.action_map(np.array([3, 0], np.int32))
        assert own.dtype == np.int64 and own.tolist() == [3, 0]
        assert layout.to_json()["action"].keys() == {"shape", "dtype", "low", "high", "number"}

    def test_its_first_action_is_kept_too(self):
        layout = Layout.of(self.made(first=-2))
        assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
        assert layout.action_map(np.array([3, 0], np.int32)).tolist() == [1, -2]
        message = "now one of 4 from -2 on; they were one of 4"
        assert message in Layout.of(self.made()).difference(layout)

    def test_what_differs_is_said(self, environment):
        layout = Layout.of(self.made())
        assert layout.difference(layout) == ""
        assert "now one of 3; they were one of 4" in layout.difference(Layout.of(self.made(3)))
        box = dataclasses.replace(Layout.of(environment), observation=layout.observation)
        assert "now continuous; they were one of 4" in layout.difference(box)
        assert "now one of 4; they were continuous" in box.difference(layout)


class TestImages:
    @pytest.mark.parametrize("shape", [(6, 5, 2), (6, 5)])
    def test_they_are_kept_as_json_and_made_canonical_as_the_environment_does(self, shape):
        inner = ImageEnvironment(shape)
        environment = CanonicalEnvironment(inner)
        layout = Layout.of(environment)
        assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
        assert layout.spec() == environments.environment_spec(environment)
        expected = environment.reset().observation
        one, is_batch = layout.canonical(inner.image())
        assert not is_batch and one.dtype == np.uint8
        np.testing.assert_array_equal(one, [expected])
        several, is_batch = layout.canonical(np.stack([inner.image()] * 3))
        assert is_batch
        np.testing.assert_array_equal(several, [expected] * 3)

    @pytest.mark.parametrize(
        ("observation", "message"),
        [
            (np.zeros((6, 5, 3), np.uint8), r"has the shape \(6, 5, 3\), not \(6, 5, 2\)"),
            (np.zeros((1, 1, 6, 5, 2), np.uint8), "has the shape"),
            (np.zeros((6, 5, 2)), "is of float64, not of uint8"),
            (None, "is no array of numbers"),
        ],
    )
    def test_what_is_none_is_refused(self, observation, message):
        with pytest.raises(ValueError, match=message):
            Layout.of(CanonicalEnvironment(ImageEnvironment())).canonical(observation)

    def test_what_differs_is_said(self):
        image = Layout.of(CanonicalEnvironment(ImageEnvironment()))
        vector = dataclasses.replace(image, image_maximum=None)
        assert image.difference(image) == ""
        assert "now a vector of numbers; it was an image of pixels up to 255" in image.difference(
            vector
        )
        board = dataclasses.replace(image, image_maximum=1)
        assert "now an image of pixels up to 1; it was an image" in image.difference(board)


def test_what_differs_is_said(environment):
    layout = Layout.of(environment)
    count, where, which = layout.observation
    assert layout.difference(layout) == ""
    other = dataclasses.replace(layout, observation=(where, count, which))
    assert "now made of observation['where'], observation['count']" in layout.difference(other)
    other = dataclasses.replace(layout, observation=(count, where))
    assert "it was observation['count'], observation['where'], " in layout.difference(other)
    wider = dataclasses.replace(where, shape=(2, 3))
    other = dataclasses.replace(layout, observation=(count, wider, which))
    assert "['where'] has now the shape (2, 3); it had (2, 2)" in layout.difference(other)
    shifted = dataclasses.replace(count, starts=(0,))
    other = dataclasses.replace(layout, observation=(shifted, where, which))
    assert "categories (3,) from (0,); it had (3,) from (-1,)" in layout.difference(other)
    other = dataclasses.replace(layout, high=(5.0, 1.0))
    assert "from [-1, 0] to [5, 1]; they were from [-1, 0] to [3, 1]" in layout.difference(other)
    other = dataclasses.replace(layout, action_shape=(2,))
    assert "the shape (2,), not (1, 2)" in layout.difference(other)


def seen(environment: CanonicalEnvironment) -> tuple[list[Any], npt.NDArray[Any]]:
    """Observations as the environment inside returns them, and in canonical form."""
    raw = environment.inner._environment
    own, of_raw = [], raw.reset

    def reset(**options):
        result = of_raw(**options)
        own.append(result[0])
        return result

    raw.reset = reset
    return own, np.stack([environment.reset().observation for _ in range(3)])


class OfSpace(gymnasium.Env[Any, Any]):
    """Random observations of a space."""

    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(5, start=2),
        spaces.MultiDiscrete([4]),
        spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        spaces.MultiBinary([2, 2]),
    ],
)
def test_integers_of_any_shape_alone_and_in_a_batch(space):
    environment = environments.make("e", 0, maker=lambda: OfSpace(space))
    layout = Layout.of(environment)
    own, expected = seen(environment)
    for count in (1, 3):
        flat, is_batch = layout.canonical(np.stack(own[:count]))
        assert is_batch
        np.testing.assert_array_equal(flat, expected[:count])
    flat, is_batch = layout.canonical(own[0])
    assert not is_batch
    np.testing.assert_array_equal(flat, expected[:1])
    # As they are recorded for others to learn from.
    recorded = demonstration_spaces.own_observations(layout, expected)
    np.testing.assert_array_equal(recorded, np.stack(own))
    assert demonstration_spaces.observation_space(layout).shape == space.shape


@pytest.mark.parametrize("shape", [(10, 10), (6, 10), (10, 10, 3)])
def test_frames_that_gymnasium_has_stacked_alone_and_in_a_batch(shape):
    """Ten frames of ten by ten are as many first as last."""
    space = spaces.Box(0, 255, shape, np.uint8)

    def make():
        return gymnasium.wrappers.FrameStackObservation(OfSpace(space), 10)

    environment = environments.make("e", 0, maker=make)
    layout = Layout.from_json(json.loads(json.dumps(Layout.of(environment).to_json())))
    own, expected = seen(environment)
    images, is_batch = layout.canonical(np.stack(own))
    assert is_batch
    np.testing.assert_array_equal(images, expected)
    images, is_batch = layout.canonical(own[0])
    assert not is_batch
    np.testing.assert_array_equal(images, expected[:1])
    recorded = demonstration_spaces.own_observations(layout, expected)
    np.testing.assert_array_equal(recorded, np.stack(own))


def test_a_layout_of_before_is_the_same_environments(environment):
    """It does not say the shapes of integers."""
    layout = Layout.of(environment)
    described = layout.to_json()
    for part in described["observation"]:
        part.pop("own_shape", None)
    old = Layout.from_json(described)
    assert old == layout and old.difference(layout) == ""
    own, expected = seen(environment)
    np.testing.assert_array_equal(old.canonical(own[0])[0], expected[:1])
