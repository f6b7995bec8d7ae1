"""A replay server without a limit on how fast either side may go: a service stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import reverb

from benchmarks.measure import BenchmarkError
from benchmarks.setting import config_of, spec_of
from quinoa.agents.protocol import OffPolicyConfig
from quinoa.agents.replay import SegmentWriter, make_table
from quinoa.agents.rows import RowLayout

# Streams whose random transitions fill the table.
_NUM_STREAMS = 100
# For the server to take the last of them.
_PATIENCE_S = 60.0


def serve(
    task: str,
    agent: str,
    segment_length: int,
    num_transitions: int = 0,
    settings: Mapping[str, Any] | None = None,
    env_arguments: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Serves the table of an agent for a task.

    Args:
        task: a name of an environment.
        agent: a name of an agent.
        segment_length: L.
        num_transitions: random ones that the table holds from the start, about.
        settings: of the agent's configuration, those that are not the defaults.
        env_arguments: of the environment's constructor.

    Yields:
        The server's address.
    """
    spec = spec_of(task, env_arguments)
    config = config_of(agent, segment_length=segment_length, **settings or {})
    layout = RowLayout(spec)
    table = make_table(config, layout, samples_per_insert=0, steps_per_call=1)
    server = reverb.Server([table])
    address = f"localhost:{server.port}"
    if num_transitions:
        fill(address, config, layout, num_transitions)
    yield address


def fill(address: str, config: OffPolicyConfig, layout: RowLayout, num_transitions: int) -> int:
    """Writes so many random transitions, or up to 99 fewer, to a server's table; says how many."""
    writer = SegmentWriter(address, _NUM_STREAMS, config, layout)
    random = np.random.default_rng(0)
    appends = num_transitions // _NUM_STREAMS
    for _ in range(appends):
        rows = random.standard_normal((_NUM_STREAMS, layout.width)).astype(np.float32)
        transitions = layout.unpack(rows)
        np.clip(transitions.action, -1.0, 1.0, out=transitions.action)
        transitions.discount[:] = 1.0
        writer.append(transitions)
    if not writer.close(_PATIENCE_S):
        raise BenchmarkError(f"Replay did not take {num_transitions} transitions.")
    return appends * _NUM_STREAMS
