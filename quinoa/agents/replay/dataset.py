"""Superbatches for the learner, drawn from Reverb and shuffled inside TensorFlow's graph."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

import reverb
import tensorflow as tf

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.replay import planes, tables
from quinoa.agents.replay.ahead import drawn_ahead
from quinoa.agents.replay.items import TABLE
from quinoa.agents.replay.sampling import AS_IT_IS, samples_until
from quinoa.agents.replay.server import wait_for_server
from quinoa.agents.rows import RowLayout, valid
from quinoa.agents.types import Transition


def superbatches(
    server_address: str,
    config: OffPolicyConfig,
    layout: RowLayout,
    *,
    steps_per_call: int,
    should_stop: Callable[[], bool] | None = None,
) -> Generator[Transition, None, None]:
    """Draws superbatches for as long as it is asked to, one of them ahead.

    Every superbatch is a random permutation of the transitions in ⌈K·B / L⌉ segments, cut at K·B.
    Segments are drawn with replacement, and one that is drawn twice brings its transitions twice;
    so does padding where it leaves fewer than K·B. Padding itself is never in it.

    Args:
        server_address: of the Reverb server, "host:port"; it is waited for.
        config: the agent's configuration.
        layout: of the rows.
        steps_per_call: K.
        should_stop: asked before every superbatch, every 0.1 s while there is none, and every
            second while there is no server; when it is true, the iterator ends.

    Returns:
        An iterator of superbatches, tensors of leading shape [K, B]. Where it is left
        before its end, its `close()` ends what it runs in the background.

    Raises:
        ConnectionError: no server answers, see `wait_for_server`.
        ValueError: the server's table is made for another environment or configuration.
    """
    information = wait_for_server(reverb.Client(server_address), should_stop)
    if information:
        wanted = tables.signature(layout, config.segment_length)
        check_signature(information, server_address, wanted)
    return drawn_ahead(
        lambda stopped: _pipeline(server_address, config, layout, steps_per_call, stopped),
        should_stop,
    )


def _pipeline(
    server_address: str,
    config: OffPolicyConfig,
    layout: RowLayout,
    steps_per_call: int,
    stopped: tf.Variable,
) -> tf.data.Dataset:
    signature = tables.signature(layout, config.segment_length)
    shared = planes.of(layout, config.segment_length)
    in_flight = tables.max_in_flight_segments(config, steps_per_call)

    @AS_IT_IS
    def decode(drawn: tf.Tensor) -> Transition:
        return layout.unpack(_shuffled_rows(drawn, steps_per_call, config.batch_size))

    @AS_IT_IS
    def decode_images(rows: tf.Tensor, blocks: tf.Tensor) -> Transition:
        assert shared is not None
        return _shuffled_images(rows, blocks, shared, steps_per_call, config.batch_size)

    dataset = samples_until(stopped, server_address, signature, max_in_flight=in_flight)
    drawn = tables.segments_per_superbatch(config, steps_per_call)
    if shared is None:
        dataset = dataset.batch(drawn, drop_remainder=True).map(decode)
    else:
        # Segments have different numbers of blocks.
        dataset = dataset.padded_batch(drawn, drop_remainder=True).map(decode_images)
    return dataset


def _shuffled_rows(drawn: tf.Tensor, steps_per_call: int, batch_size: int) -> tf.Tensor:
    """Takes K·B rows of segments [S, L, W] in random order, [K, B, W], and no padding."""
    rows = tf.reshape(drawn, [-1, drawn.shape[-1]])
    order = _shuffled_order(rows, steps_per_call * batch_size)
    return tf.reshape(tf.gather(rows, order), [steps_per_call, batch_size, rows.shape[-1]])


def _shuffled_images(
    rows: tf.Tensor,
    blocks: tf.Tensor,
    shared: planes.SharedPlanes,
    steps_per_call: int,
    batch_size: int,
) -> Transition:
    """Puts together K·B transitions in random order, leading shape [K, B].

    Args:
        rows: of S segments, uint8 [S, L, W'], see `SharedPlanes`.
        blocks: their planes, uint8 [S, M, P, H, W].
        shared: the form of these.
        steps_per_call: K.
        batch_size: B.
    """
    flat = tf.reshape(rows, [-1, rows.shape[-1]])
    order = _shuffled_order(flat, steps_per_call * batch_size)
    chosen = tf.gather(flat, order)
    # Each segment's planes are numbered from 0.
    planes_of_each = tf.shape(blocks)[1] * blocks.shape[2]
    first = order // rows.shape[1] * planes_of_each
    all_planes = tf.reshape(blocks, [-1, *blocks.shape[3:]])
    found = tf.gather(all_planes, first[:, None] + shared.numbers(chosen))
    leading = [steps_per_call, batch_size]
    return shared.join(
        tf.reshape(chosen, [*leading, chosen.shape[-1]]),
        tf.reshape(found, [*leading, *found.shape[1:]]),
    )


def _shuffled_order(rows: tf.Tensor, number: int) -> tf.Tensor:
    """Which rows [R, W] are taken, in random order and without padding, int32 [number]."""
    is_valid = valid(rows)
    # Padding sorts last.
    keys = tf.where(is_valid, tf.random.uniform([rows.shape[0]]), 2.0)
    order = tf.argsort(keys)
    num_valid = tf.math.count_nonzero(is_valid, dtype=tf.int32)
    return tf.gather(order, tf.range(number) % num_valid)


def check_signature(information: Mapping[str, Any], server_address: str, signature: Any) -> None:
    """Checks that a server's table has items of this form.

    Args:
        information: what the server says of its tables, by name.
        server_address: of the Reverb server.
        signature: `tf.TensorSpec`s, nested as an item is to be.

    Raises:
        ValueError: there is no such table, or its items have another form.
    """
    if TABLE not in information:
        raise ValueError(f"The Reverb server at {server_address} has no table {TABLE!r}.")
    found, wanted = (
        tf.nest.map_structure(lambda of: f"{of.dtype.name} {of.shape}", each)
        for each in (information[TABLE].signature, signature)
    )
    if found != wanted:
        raise ValueError(
            f"The Reverb server at {server_address} has segments of shape {found}, not "
            f"{wanted}: it serves another environment or segment_length."
        )
