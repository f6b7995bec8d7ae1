"""Replay: transitions per second by the length of segments, and memory by what is stored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import psutil

from benchmarks import replay, stage
from benchmarks.measure import Comparison, Point
from benchmarks.progress import Part
from benchmarks.replay_server import fill
from benchmarks.setting import TASK, config_of, spec_of
from quinoa.agents.rows import RowLayout

_AGENT = "iq"
_LENGTHS = (1, 4, 16, 64)
_NUM_TRANSITIONS = 50_000
_ROUNDS = 3
_SECONDS = 1.0
# Stored one after the other in one server; whole segments of each stream.
_STORED = (12_800, 25_600, 51_200, 102_400, 204_800, 409_600)


def parts() -> Sequence[Part]:
    """A part for each curve."""
    return [
        Part("growth: replay by length of segments", by_length),
        Part("growth: replay's memory by transitions stored", by_stored),
    ]


def by_length() -> Iterator[Comparison]:
    """Compares superbatches of segments, shuffled, with random rows of an array in memory."""
    table = {"task": TASK, "agent": _AGENT, "num_transitions": _NUM_TRANSITIONS}
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(stage.network())
        servers = [
            stack.enter_context(
                stage.Stage(
                    "benchmarks.replay_server:serve",
                    {**table, "segment_length": length},
                    network=network,
                )
            )
            for length in _LENGTHS
        ]
        tables = [
            [server.answer(), length] for server, length in zip(servers, _LENGTHS, strict=True)
        ]
        drawing = stack.enter_context(
            stage.Stage("benchmarks.growth.replay:draw", {"tables": tables}, network=network)
        )
        for length in _LENGTHS:
            ours, array = drawing.answer() if length == _LENGTHS[0] else drawing.ask()
            yield Comparison(
                "growth",
                f"replay, segments of {length}",
                "transitions/s",
                tuple(ours),
                "NumPy array in the same process",
                tuple(array),
                point=Point("replay by segments", "transitions in a segment", length),
            )


def draw(tables: Sequence[tuple[str, int]]) -> Iterator[tuple[tuple[float, ...], ...]]:
    """A service stage: for each table, transitions per second out of it and out of an array.

    Args:
        tables: the address and the segments' length of each.
    """
    for address, length in tables:
        yield replay.take_turns(address, length, seconds=_SECONDS, rounds=_ROUNDS)


def by_stored() -> Iterator[Comparison]:
    """Compares what a server's memory has grown by, for a transition, with its fields' bytes.

    The transitions are of random numbers, which cannot be compressed, as those of an environment
    can a little.
    """
    length = config_of(_AGENT).segment_length
    both = {"task": TASK, "agent": _AGENT, "segment_length": length}
    fields = 4.0 * RowLayout(spec_of(TASK)).width
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(stage.network())
        server = stack.enter_context(
            stage.Stage("benchmarks.replay_server:serve", both, network=network)
        )
        address = server.answer()
        storing = stack.enter_context(
            stage.Stage(
                "benchmarks.growth.replay:store",
                {**both, "address": address, "counts": _STORED},
                network=network,
            )
        )
        storing.answer()
        empty = _own_memory(server.process_id)
        for count in _STORED:
            stored = storing.ask()
            grown = _own_memory(server.process_id) - empty
            yield Comparison(
                "growth",
                f"replay's memory, {count:,} transitions, segments of {length}",
                "bytes/transition",
                (grown / stored,),
                "the bytes of its fields",
                (fields,),
                lower_is_better=True,
                note=f"{grown / 1e6:.0f} MB beside {empty / 1e6:.0f} MB of an empty server",
                point=Point("replay's memory (less is better)", "transitions stored", count),
            )


def store(
    task: str, agent: str, segment_length: int, address: str, counts: Sequence[int]
) -> Iterator[int]:
    """A service stage: has a server store more and more transitions.

    Yields:
        How many are stored: none, then as many as each of `counts`, up to 99 fewer.
    """
    config, layout = config_of(agent, segment_length=segment_length), RowLayout(spec_of(task))
    stored = 0
    yield stored
    for count in counts:
        stored += fill(address, config, layout, count - stored)
        yield stored


def _own_memory(process_id: int) -> float:
    """Bytes that a process has alone."""
    return float(psutil.Process(process_id).memory_full_info().uss)
