"""Verifies transitions of `CheckedMatch`, and reads back what a replay checkpoint holds."""

from __future__ import annotations

import shutil
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import portpicker
import reverb
import tensorflow as tf
from acme import specs

from quinoa.agents.replay import TABLE
from quinoa.agents.rows import RowLayout, valid
from quinoa.agents.types import Transition
from tests.launch.factories import EPISODE_STEPS, CheckedMatch

CHECKED = "tests.launch.factories:checked_match"


def verify(transitions: Transition) -> list[tuple[int, int]]:
    """Checks every field of transitions, leading shape [N]; returns stream and number of each.

    Raises:
        AssertionError: one is not what the environment and the agent's action made of it.
    """
    found = []
    for of in zip(*(np.asarray(field) for field in transitions[:-1]), strict=True):
        transition = Transition(*of)
        observation, following = transition.observation, transition.next_observation
        for each in (observation, following):
            assert each[-1] == CheckedMatch.checksum(each), f"{each} is not what was observed"
        stream, number = (int(x / CheckedMatch.SCALE) for x in observation[2:4])
        assert (following[2:4] / CheckedMatch.SCALE).tolist() == [stream, number + 1]
        step = number % (EPISODE_STEPS + 1)
        assert step < EPISODE_STEPS, "a transition runs from the end of an episode to the next"
        reward = np.float32(1.0 - abs(float(transition.action[0]) - float(observation[0])))
        assert abs(transition.reward - reward) < 1e-6
        is_end = step == EPISODE_STEPS - 1 and not CheckedMatch.ends_at_time_limit(number)
        assert transition.discount == (0.0 if is_end else 1.0)
        assert transition.last == (step == EPISODE_STEPS - 1)
        found.append((stream, number))
    return found


def read_back(path: Path, spec: specs.EnvironmentSpec) -> Transition:
    """All transitions in a replay checkpoint of the local engine, leading shape [N]; [0] if empty.

    Args:
        path: of the checkpoint; it stays as it is.
        spec: the spec of the environment.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "copy")
        shutil.copytree(path, copy)
        port = portpicker.pick_unused_port()
        _let_everything_be_sampled(copy / "tables.tfrecord")
        layout = RowLayout(spec)
        # Name and signature are compared; all else comes from the checkpoint.
        server = reverb.Server(
            [
                reverb.Table(
                    TABLE,
                    reverb.selectors.Uniform(),
                    reverb.selectors.Fifo(),
                    max_size=1,
                    rate_limiter=reverb.rate_limiters.MinSize(1),
                )
            ],
            port,
            reverb.checkpointers.DefaultCheckpointer(
                str(Path(temporary, "new")), fallback_checkpoint_path=str(copy)
            ),
        )
        try:
            client = reverb.Client(f"localhost:{port}")
            size = client.server_info(60)[TABLE].current_size
            items: dict[int, np.ndarray] = {}
            deadline = time.monotonic() + 120
            while len(items) < size:
                assert time.monotonic() < deadline, f"{len(items)} of {size} items were found"
                for sample in client.sample(TABLE, 10 * size, emit_timesteps=False):
                    items[sample.info.key] = sample.data[0]
        finally:
            server.stop()
            portpicker.return_port(port)
    rows = np.concatenate([*items.values(), np.empty((0, layout.width), np.float32)])
    return layout.unpack(rows[valid(rows)])


def _let_everything_be_sampled(path: Path) -> None:
    """Gives a table's checkpoint (a protocol buffer) the limits of `MinSize(1)`."""
    (record,) = tf.data.TFRecordDataset(str(path), "ZLIB").as_numpy_iterator()
    # Field 1 is the table's name, 3 its rate limiter; each has a tag, a length, and the rest.
    at = 2 + record[1]
    assert (record[0], record[at]) == (1 << 3 | 2, 3 << 3 | 2)
    # In a limiter, 2 to 4 are doubles: samples per insert, the least error and the greatest; 5 is
    # the least size to sample from, 7 how many were inserted.
    doubles = ((2, 1.0), (3, -1e300), (4, 1e300))
    limiter = b"".join(struct.pack("<Bd", tag << 3 | 1, value) for tag, value in doubles)
    limiter += bytes([5 << 3, 1, 7 << 3, 1])
    free = record[: at + 1] + bytes([len(limiter)]) + limiter + record[at + 2 + record[at + 1] :]
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="ZLIB")) as file:
        file.write(free)
