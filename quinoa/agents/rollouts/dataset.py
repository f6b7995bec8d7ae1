"""The queue of rollouts in Reverb, and superbatches out of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

import numpy as np
import numpy.typing as npt
import reverb
import tensorflow as tf

from quinoa.agents.config import OnPolicyConfig
from quinoa.agents.replay import TABLE
from quinoa.agents.replay.ahead import drawn_ahead
from quinoa.agents.replay.dataset import check_signature
from quinoa.agents.replay.sampling import samples_until
from quinoa.agents.replay.server import wait_for_server
from quinoa.agents.rows import RowLayout, Rows
from quinoa.agents.types import Transition

# The most batches in the queue: the one that is being learned from, what was acted
# again in vain, and room for more.
_BATCHES = 4


def make_queue(config: OnPolicyConfig, layout: RowLayout) -> reverb.Table:
    """Makes the table: first in, first out, each item once; a full one has actors wait."""
    # An item has one segment or more.
    most = _BATCHES * config.batch_size // config.segment_length
    return reverb.Table.queue(TABLE, most, signature=_signature(config, layout))


def fresh_batches(
    server_address: str,
    config: OnPolicyConfig,
    layout: RowLayout,
    *,
    fingerprint: Callable[[], int],
    should_stop: Callable[[], bool] | None = None,
) -> Generator[Transition, None, None]:
    """Gathers batches of segments that were all acted with the parameters they are learned with.

    Segments that were acted with any others are dropped.

    Args:
        server_address: of the Reverb server, "host:port"; it is waited for.
        config: of the agent.
        layout: of its rows.
        fingerprint: of the learner's parameters, asked whenever a batch is begun.
        should_stop: asked every 0.1 s while there is no batch; when it is true, the iterator ends.

    Returns:
        An iterator of superbatches for one gradient step, NumPy arrays of leading shape [1, S, L].

    Raises:
        ConnectionError: no server answers.
        ValueError: the server's table is made for another environment or configuration.
    """
    client = reverb.Client(server_address)
    information = wait_for_server(client, should_stop)
    if information:
        check_signature(information, server_address, _signature(config, layout))
    return _batches(server_address, config, layout, fingerprint, should_stop)


def _batches(
    server_address: str,
    config: OnPolicyConfig,
    layout: RowLayout,
    fingerprint: Callable[[], int],
    should_stop: Callable[[], bool] | None,
) -> Generator[Transition, None, None]:
    def make(stopped: tf.Variable) -> tf.data.Dataset:
        # One in flight, as an item that is lost has its actor wait for parameters that nobody
        # makes.
        signature = _signature(config, layout)
        return samples_until(stopped, server_address, signature, max_in_flight=1)

    number = config.batch_size // config.segment_length
    with contextlib.closing(drawn_ahead(make, should_stop)) as items:
        wanted, batch = fingerprint(), list[Rows]()
        for item in items:
            if int(item["fingerprint"]) == wanted:
                batch.append(item["rows"].numpy())
            if sum(map(len, batch)) >= number:
                yield layout.unpack(_joined(batch, number))
                wanted, batch = fingerprint(), []


def _joined(batch: list[Rows], number: int) -> npt.NDArray[np.generic]:
    """So many segments of those of several items, [1, S, L, W]."""
    rows = batch[0] if len(batch) == 1 else np.concatenate(batch)
    return rows[None, :number]


def _signature(config: OnPolicyConfig, layout: RowLayout) -> dict[str, tf.TensorSpec]:
    return {
        "fingerprint": tf.TensorSpec([], tf.int64),
        # Of so many environments as the actor has.
        "rows": tf.TensorSpec([None, config.segment_length, layout.width], layout.dtype),
    }
