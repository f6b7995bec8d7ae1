"""Specs, transitions that tell who they are, and Reverb servers that are stopped."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np
import portpicker
import reverb
import tensorflow as tf
from acme import specs

from quinoa.agents.replay import TABLE
from quinoa.agents.rows import RowLayout, valid
from quinoa.agents.types import Transition


def numbered(numbers: np.ndarray, spec: specs.EnvironmentSpec) -> Transition:
    """Transitions whose every field follows from a number of their own (exact below 2**22)."""
    numbers = np.asarray(numbers, np.float32)
    observation = np.repeat(numbers[..., None], spec.observations.shape[0], axis=-1)
    return Transition(
        observation=observation,
        action=np.repeat(np.sin(numbers)[..., None], spec.actions.shape[0], axis=-1),
        reward=-numbers,
        discount=np.where(numbers % 7 == 0, 0.0, 1.0).astype(np.float32),
        next_observation=observation + 0.5,
        last=(numbers % 7 == 0) | (numbers % 5 == 0),
    )


def assert_numbered(transitions: Transition, spec: specs.EnvironmentSpec) -> np.ndarray:
    """Checks that every field belongs to its number; returns the numbers, int."""
    fields = tf.nest.map_structure(np.asarray, transitions)
    numbers = fields.observation[..., 0]
    assert not transitions.extras
    for field, expected in zip(fields[:-1], numbered(numbers, spec)[:-1], strict=True):
        np.testing.assert_array_equal(field, expected)
    return numbers.astype(int)


@contextlib.contextmanager
def serve(*tables: reverb.Table) -> Iterator[str]:
    """Runs a server with these tables; gives its address."""
    port = portpicker.pick_unused_port()
    server = reverb.Server(list(tables), port)
    try:
        yield f"localhost:{port}"
    finally:
        server.stop()
        portpicker.return_port(port)


def as_queue(table: reverb.Table) -> reverb.Table:
    """The same table, but each item is given out once, first in first out, at any rate."""
    return table.replace(
        sampler=reverb.selectors.Fifo(),
        rate_limiter=reverb.rate_limiters.MinSize(1),
        max_times_sampled=1,
    )


def table_size(address: str) -> int:
    return reverb.Client(address).server_info(5)[TABLE].current_size


def settled_size(address: str, at_least: int) -> int:
    """The table's size once what was appended has had the time to arrive, and a little more."""
    deadline = time.monotonic() + 10
    while table_size(address) < at_least and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    return table_size(address)


def drain(address: str, spec: specs.EnvironmentSpec) -> list[Transition]:
    """Takes every item of a table made by `as_queue`; the valid transitions of each segment."""
    client, layout = reverb.Client(address), RowLayout(spec)
    held = []
    for sample in client.sample(TABLE, table_size(address), emit_timesteps=False):
        (rows,) = sample.data
        held.append(layout.unpack(rows[valid(rows)]))
        padding = rows[~valid(rows)]
        np.testing.assert_array_equal(padding, np.zeros_like(padding))
    return held


def drawing_threads() -> list[threading.Thread]:
    """The threads of `drawn_ahead` that run."""
    return [thread for thread in threading.enumerate() if thread.name == "drawn_ahead"]
