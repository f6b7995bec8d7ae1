import numpy as np
import pytest
from dm_env import specs

from quinoa.agents.observations import Image, Vector, dtype_of, observation_set


def test_a_spec_is_that_of_vectors_or_of_images():
    assert observation_set(specs.Array((3,), np.float32)) == Vector(3)
    assert observation_set(specs.Array((4, 5, 2), np.uint8)) == Image(4, 5, 2, 255)
    board = specs.BoundedArray((4, 5, 2), np.uint8, 0, 1)
    assert observation_set(board) == Image(4, 5, 2, 1)
    assert observation_set(board).shape == (4, 5, 2)


@pytest.mark.parametrize(
    "spec",
    [
        specs.Array((3,), np.uint8),
        specs.Array((4, 5), np.uint8),
        specs.Array((4, 0, 2), np.uint8),
        specs.Array((4, 5, 2), np.float32),
        {"a": specs.Array((3,), np.float32)},
    ],
)
def test_others_are_refused(spec):
    with pytest.raises(ValueError, match="neither of vectors nor of images"):
        observation_set(spec)


def test_a_batch_tells_its_dtype_by_its_shape():
    assert dtype_of((7, 3)) == np.float32
    assert dtype_of((7, 4, 5, 2)) == np.uint8
