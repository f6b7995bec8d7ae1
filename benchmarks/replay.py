"""How fast superbatches come out of Reverb."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from benchmarks import measure, stage
from benchmarks.measure import Comparison
from benchmarks.setting import TASK, config_of, spec_of
from quinoa.agents import replay
from quinoa.agents.rows import RowLayout

_AGENT = "iq"
_STEPS_PER_CALL = 50
_NUM_TRANSITIONS = 200_000
_ROUNDS = 5
_SECONDS = 2.0
# Transitions per second, on two otherwise idle cores.
_GOAL = 1e6


def run() -> Iterator[Comparison]:
    """Compares superbatches from a server in another process with those from an array in memory."""
    settings = {
        "task": TASK,
        "agent": _AGENT,
        "segment_length": config_of(_AGENT).segment_length,
        "num_transitions": _NUM_TRANSITIONS,
    }
    with (
        stage.network() as network,
        stage.Stage("benchmarks.replay_server:serve", settings, network=network) as server,
    ):
        ours, array = stage.call(
            "benchmarks.replay:take_turns",
            {"address": server.answer(), "segment_length": settings["segment_length"]},
            network=network,
        )
    yield Comparison(
        "replay",
        f"batches of {config_of(_AGENT).batch_size}, {_STEPS_PER_CALL} a call",
        "transitions/s",
        tuple(ours),
        "NumPy array in the same process",
        tuple(array),
        _GOAL,
        goal_is_absolute=True,
    )


def take_turns(
    address: str, segment_length: int, *, seconds: float | None = None, rounds: int = _ROUNDS
) -> tuple[tuple[float, ...], ...]:
    """A stage: transitions per second, by rounds, out of Reverb and out of an array."""
    seconds = _SECONDS if seconds is None else seconds
    layout, config = RowLayout(spec_of(TASK)), config_of(_AGENT, segment_length=segment_length)
    count = _STEPS_PER_CALL * config.batch_size
    superbatches = replay.superbatches(address, config, layout, steps_per_call=_STEPS_PER_CALL)
    random = np.random.default_rng(0)
    rows = random.standard_normal((_NUM_TRANSITIONS, layout.width)).astype(np.float32)

    def from_reverb() -> int:
        next(superbatches)
        return count

    def from_array() -> int:
        drawn = rows[random.integers(len(rows), size=(_STEPS_PER_CALL, config.batch_size))]
        tf.nest.map_structure(tf.convert_to_tensor, layout.unpack(drawn))
        return count

    sides: tuple[Callable[[], float], ...] = (
        lambda: measure.rate(from_reverb, seconds),
        lambda: measure.rate(from_array, seconds),
    )
    for side in sides:  # Warms up.
        side()
    results = measure.in_turns(sides, rounds)
    superbatches.close()
    return results
