"""Writing to Reverb without its Python package."""

import subprocess
import sys
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf

from quinoa.agents.replay import TABLE, items
from tests.agents.replay.helpers import serve, table_size

ALONE = """
import sys
import time
import numpy as np
from quinoa.agents.replay import items

items.question({address!r})(60)
writer = items.ItemWriter({address!r}, 2)
writer.write([np.array(7, np.int64), np.full((2, 3), 0.5, np.float32)])
assert writer.flush(0, 60.0)
writer.close()
assert not {{"reverb", "tensorflow", "tree"}} & sys.modules.keys()

import reverb

(sample,) = reverb.Client({address!r}).sample({table!r}, 1, emit_timesteps=False)
assert int(sample.data[0]) == 7
assert (sample.data[1] == 0.5).all()
assert "tensorflow" in sys.modules
"""


def queue(rows=(2, 3)):
    signature = {"a": tf.TensorSpec([], tf.int64), "b": tf.TensorSpec(rows, tf.float32)}
    return reverb.Table.queue(TABLE, 10, signature=signature)


def item(number, rows=(2, 3)):
    return [np.array(number, np.int64), np.full(rows, number, np.float32)]


def test_it_writes_without_tensorflow_which_can_still_be_imported_afterwards():
    with serve(queue()) as address:
        code = ALONE.format(address=address, table=TABLE)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_servers_items_are_those_that_were_written_in_order():
    with serve(queue()) as address:
        writer = items.ItemWriter(address, 2)
        for number in range(5):
            arrays = item(number)
            writer.write(arrays)
            arrays[1][:] = np.nan  # They were copied.
        assert writer.flush(0, 10.0)
        samples = reverb.Client(address).sample(TABLE, 5, emit_timesteps=False)
        for number, sample in enumerate(samples):
            for found, written in zip(sample.data, item(number), strict=True):
                assert found.dtype == written.dtype
                np.testing.assert_array_equal(found, written)
        writer.close()


def test_a_full_table_has_the_writer_wait_no_longer_than_it_is_told():
    with serve(queue()) as address:
        writer = items.ItemWriter(address, 2)
        for number in range(13):
            writer.write(item(number))
        assert not writer.flush(0, 0.2)
        assert writer.flush(3, 10.0)
        assert table_size(address) == 10
        list(reverb.Client(address).sample(TABLE, 5, emit_timesteps=False))
        assert writer.flush(0, 10.0)
        writer.close()


def test_items_that_the_table_does_not_take_are_refused():
    with serve(queue(rows=(2, 4))) as address:
        writer = items.ItemWriter(address, 2)
        with pytest.raises((ValueError, RuntimeError), match="signature"):
            writer.write(item(0))
        writer.close()


def test_a_server_that_does_not_answer_is_an_error():
    with serve(queue()) as address:
        items.question(address)(10)
    with pytest.raises(RuntimeError, match="Deadline Exceeded"):
        items.question(address)(1)


def test_one_that_is_dropped_waits_for_nothing():
    with serve(queue()) as address:
        writer = items.ItemWriter(address, 2)
        for number in range(13):
            writer.write(item(number))
        started = time.monotonic()
        del writer
        assert time.monotonic() - started < 5.0
