import numpy as np
import pytest
import tensorflow as tf
from acme import specs

from quinoa.agents.rows import RowLayout, valid
from quinoa.agents.types import Transition
from tests.agents.fixtures import make_spec

SPEC = make_spec(observation_size=4, action_size=3)
EXTRAS = {
    "log_prob": specs.Array((), np.float32),
    "noise": specs.Array((2,), np.float32),
    "hidden": specs.Array((2, 3), np.float32),
}
FINITE = SPEC._replace(actions=specs.DiscreteArray(7))
IMAGES = FINITE._replace(observations=specs.BoundedArray((4, 3, 2), np.uint8, 0, 255))


def transitions_of(layout: RowLayout, *leading: int) -> Transition:
    """Random ones, for what is told apart: all numbers differ, and half of them are last."""
    rng = np.random.default_rng(0)
    shapes = layout.shapes(*leading)

    def normal(shape):
        return rng.normal(size=shape).astype(np.float32)

    return Transition(
        observation=normal(shapes.observation),
        action=normal(shapes.action),
        reward=normal(shapes.reward),
        discount=normal(shapes.discount),
        next_observation=normal(shapes.next_observation),
        last=rng.uniform(size=leading) < 0.5,
        extras={name: normal(shape) for name, shape in shapes.extras.items()},
    )


def assert_same(found: Transition, expected: Transition) -> None:
    for name, field in expected._asdict().items():
        if name != "extras":
            np.testing.assert_array_equal(found._asdict()[name], field, err_msg=name)
    assert found.extras.keys() == expected.extras.keys()
    for name, values in expected.extras.items():
        np.testing.assert_array_equal(found.extras[name], values, err_msg=name)


@pytest.mark.parametrize("leading", [(), (5,), (2, 5), (0,)])
@pytest.mark.parametrize("extras", [{}, EXTRAS])
def test_unpack_inverts_pack(leading, extras):
    layout = RowLayout(SPEC, extras)
    transitions = transitions_of(layout, *leading)
    rows = layout.pack(transitions)
    assert rows.shape == (*leading, layout.width)
    assert rows.dtype == np.float32
    assert np.all(valid(rows))
    for of in (rows, tf.constant(rows)):
        assert_same(layout.unpack(of), transitions)


def test_an_agent_that_adds_nothing_has_rows_as_narrow_as_can_be():
    assert RowLayout(SPEC).width == 2 * 4 + 3 + 1 + 1 + 1
    assert RowLayout(SPEC, EXTRAS).width == RowLayout(SPEC).width + 1 + 2 + 6


def test_one_of_a_finite_set_is_one_number():
    layout = RowLayout(FINITE)
    assert layout.width == RowLayout(SPEC).width - 3 + 1
    actions = np.array([0, 6, 3], np.int32)
    transitions = transitions_of(layout, 3)._replace(action=actions)
    for rows in (layout.pack(transitions), tf.constant(layout.pack(transitions))):
        found = layout.unpack(rows).action
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, actions)


def test_several_choices_are_a_number_each():
    spec = SPEC._replace(actions=specs.BoundedArray((2,), np.int32, 0, [6, 1]))
    layout = RowLayout(spec)
    assert layout.width == RowLayout(SPEC).width - 3 + 2
    actions = np.array([[0, 1], [6, 0], [3, 1]], np.int32)
    transitions = transitions_of(layout, 3)._replace(action=actions)
    for rows in (layout.pack(transitions), tf.constant(layout.pack(transitions))):
        found = layout.unpack(rows).action
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, actions)


def test_rows_of_before_they_said_what_is_last_are_read():
    layout = RowLayout(SPEC)
    transitions = transitions_of(layout, 6)
    rows = layout.pack(transitions)
    rows[:, -1] = 1.0
    assert np.all(valid(rows))
    assert_same(layout.unpack(rows), transitions._replace(last=np.zeros(6, bool)))
    assert not np.any(valid(np.zeros_like(rows)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reward": np.float32(1.0)}, "'reward'"),
        ({"last": np.zeros(2, bool)}, "'last'"),
        ({"extras": {}}, "'extras'"),
        ({"extras": {"log_prob": np.zeros(4, np.float32)}}, "'log_prob'"),
    ],
)
def test_another_shape_is_an_error(changed, message):
    layout = RowLayout(SPEC, {"log_prob": specs.Array((), np.float32)})
    transitions = transitions_of(layout, 3)
    layout.check(transitions, 3)
    with pytest.raises(ValueError, match=message):
        layout.check(transitions._replace(**changed), 3)


class TestImages:
    """Rows of bytes."""

    def transitions(self, layout, *leading):
        rng = np.random.default_rng(1)
        shape = (*leading, 4, 3, 2)
        return transitions_of(layout, *leading)._replace(
            observation=rng.integers(256, size=shape, dtype=np.uint8),
            next_observation=rng.integers(256, size=shape, dtype=np.uint8),
            action=rng.integers(7, size=leading, dtype=np.int32),
        )

    @pytest.mark.parametrize("leading", [(), (5,), (2, 5)])
    @pytest.mark.parametrize("extras", [{}, EXTRAS])
    def test_unpack_inverts_pack(self, leading, extras):
        layout = RowLayout(IMAGES, extras)
        transitions = self.transitions(layout, *leading)
        layout.check(transitions, *leading)
        rows = layout.pack(transitions)
        assert (rows.shape, rows.dtype) == ((*leading, layout.width), np.uint8)
        assert np.all(valid(rows)) and not np.any(valid(np.zeros_like(rows)))
        for of in (rows, tf.constant(rows)):
            found = layout.unpack(of)
            assert_same(found, transitions)
            assert found.observation.dtype == np.uint8 and found.reward.dtype == np.float32
        assert np.all(valid(tf.constant(rows)))

    def test_a_batch_of_unknown_size_is_read_in_a_graph(self):
        layout = RowLayout(IMAGES, EXTRAS)
        transitions = self.transitions(layout, 2, 5)

        @tf.function(input_signature=[tf.TensorSpec([None, 5, layout.width], tf.uint8)])
        def unpacked(rows):
            return layout.unpack(rows)

        assert_same(unpacked(layout.pack(transitions)), transitions)

    def test_a_row_is_the_bytes_of_two_images_and_the_numbers(self):
        assert RowLayout(IMAGES).width == 2 * 24 + 4 * 3 + 1
        assert RowLayout(IMAGES, EXTRAS).row_bytes == 2 * 24 + 4 * (3 + 1 + 2 + 6) + 1
        assert RowLayout(FINITE).row_bytes == 4 * RowLayout(FINITE).width
