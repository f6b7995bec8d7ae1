"""A replay server without a limit on how fast either side may go: a service stage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import reverb

from benchmarks.setting import config_of, spec_of
from quinoa.agents.replay import SegmentWriter, make_table
from quinoa.agents.rows import RowLayout

# Streams whose random transitions fill the table.
_NUM_STREAMS = 100


def serve(task: str, agent: str, segment_length: int, num_transitions: int = 0) -> Iterator[str]:
    """Serves the table of an agent for a task.

    Args:
        task: a name of an environment.
        agent: a name of an agent.
        segment_length: L.
        num_transitions: random ones that the table holds from the start, about.

    Yields:
        The server's address.
    """
    spec = spec_of(task)
    config = config_of(agent, segment_length=segment_length)
    layout = RowLayout(spec)
    table = make_table(config, layout, samples_per_insert=0, steps_per_call=1)
    server = reverb.Server([table])
    address = f"localhost:{server.port}"
    if num_transitions:
        writer = SegmentWriter(address, _NUM_STREAMS, config, layout)
        random = np.random.default_rng(0)
        for _ in range(num_transitions // _NUM_STREAMS):
            rows = random.standard_normal((_NUM_STREAMS, layout.width)).astype(np.float32)
            transitions = layout.unpack(rows)
            np.clip(transitions.action, -1.0, 1.0, out=transitions.action)
            transitions.discount[:] = 1.0
            writer.append(transitions)
        writer.close()
    yield address
