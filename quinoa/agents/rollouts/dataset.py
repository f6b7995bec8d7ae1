"""The queue of rollouts in Reverb, and superbatches out of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
import reverb
import tensorflow as tf

from quinoa.agents.config import OnPolicyConfig
from quinoa.agents.replay import TABLE
from quinoa.agents.replay.dataset import check_signature
from quinoa.agents.replay.server import wait_for_server
from quinoa.agents.rollouts.writer import FIELDS
from quinoa.agents.rows import RowLayout, Rows
from quinoa.agents.types import Transition

# The most batches in the queue: the one that is being learned from, what was acted
# again in vain, and room for more.
_BATCHES = 4
# Seconds from one look for segments to the next; for which the server's answer is waited for; and
# for which the caller's thread waits at a time, as Python's signal handlers run in between.
_LOOK_S = 0.002
_ANSWER_S = 5
_WAIT_S = 0.1
# How long to wait for the thread that draws, once it has been told to end.
_CLOSE_S = 2.0


class _Segment(NamedTuple):
    """What is in an item: rows, [L, W], and what they were acted with."""

    fingerprint: int
    rows: Rows


def make_queue(config: OnPolicyConfig, layout: RowLayout) -> reverb.Table:
    """Makes the table: first in, first out, each item once; a full one has actors wait."""
    segments = config.batch_size // config.segment_length
    return reverb.Table.queue(TABLE, _BATCHES * segments, signature=_signature(config, layout))


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
    return _batches(client, config, layout, fingerprint, should_stop or (lambda: False))


def _batches(
    client: reverb.Client,
    config: OnPolicyConfig,
    layout: RowLayout,
    fingerprint: Callable[[], int],
    should_stop: Callable[[], bool],
) -> Generator[Transition, None, None]:
    taken: queue.SimpleQueue[_Segment | Exception] = queue.SimpleQueue()
    closed = threading.Event()
    # A daemon, as Reverb tries for ever to reach a server that has died.
    thread = threading.Thread(
        target=_take_segments, args=(client, taken, closed), name="superbatches", daemon=True
    )
    thread.start()
    number = config.batch_size // config.segment_length
    try:
        while True:
            wanted, batch = fingerprint(), list[Rows]()
            while len(batch) < number:
                if should_stop():
                    return
                try:
                    segment = taken.get(timeout=_WAIT_S)
                except queue.Empty:
                    continue
                if isinstance(segment, Exception):
                    raise segment
                if segment.fingerprint == wanted:
                    batch.append(segment.rows)
            yield layout.unpack(np.stack(batch)[None])
    finally:
        closed.set()
        thread.join(_CLOSE_S)


def _take_segments(
    client: reverb.Client,
    taken: queue.SimpleQueue[_Segment | Exception],
    closed: threading.Event,
) -> None:
    """Moves all segments from the server's queue to one of this process, until it is told to end.

    No more are asked for than there are: a request that Reverb lets time out loses items that it
    has taken already, and one without a timeout could not be ended.
    """
    while not closed.wait(_LOOK_S):
        try:
            count = client.server_info(_ANSWER_S)[TABLE].current_size
            for sample in client.sample(TABLE, count, emit_timesteps=False) if count else ():
                # In the order of the signature.
                data = dict(zip(FIELDS, sample.data, strict=True))
                taken.put(_Segment(int(data["fingerprint"]), data["rows"]))
        except (reverb.errors.ReverbError, RuntimeError):
            # The server is being started again.
            continue
        except Exception as error:
            taken.put(error)
            return


def _signature(config: OnPolicyConfig, layout: RowLayout) -> dict[str, tf.TensorSpec]:
    return {
        "fingerprint": tf.TensorSpec([], tf.int64),
        "rows": tf.TensorSpec([config.segment_length, layout.width], layout.dtype),
    }
