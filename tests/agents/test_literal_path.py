import os

import pytest
import tensorflow as tf

from quinoa.agents.literal_path import literal


@pytest.mark.parametrize("name", ["run[1]", "run\\1", "run[!1]*?"])
def test_tensorflow_reads_what_it_wrote_under_a_name_that_is_a_pattern(tmp_path, name):
    path = str(tmp_path / name / "inner" / "checkpoint")
    os.makedirs(os.path.dirname(path))
    tf.train.Checkpoint(x=tf.Variable(3.0)).write(path)
    x = tf.Variable(0.0)
    with literal(path) as readable:
        tf.train.Checkpoint(x=x).read(readable).assert_consumed()
        folder = os.path.dirname(readable)
        assert os.path.samefile(folder, os.path.dirname(path))
    assert x.numpy() == 3.0
    # Nothing stays open.
    assert not os.path.exists(folder)


@pytest.mark.parametrize("path", ["plain/checkpoint", "checkpoint[1]", "no[1]/checkpoint", ""])
def test_any_other_path_is_given_as_it_is(path):
    with literal(path) as readable:
        assert readable == path
