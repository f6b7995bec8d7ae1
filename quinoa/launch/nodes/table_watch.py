"""The learner's watch over how full replay is, where that is another process."""

from __future__ import annotations

import threading

import reverb

from quinoa.agents.replay import TABLE
from quinoa.agents.source import Source
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.roles.replay_watch import ReplayFill

# Seconds from one look at the server's table to the next, and for which its answer is waited for.
_PERIOD_S = 5.0
_TIMEOUT_S = 5


class TableWatch:
    """Looks at the table of a Reverb server, every 5 s from a thread of its own."""

    def __init__(self, replay: ReplayPeer, source: Source, fill: ReplayFill):
        """Starts to look.

        Args:
            replay: the server.
            source: whose table it is.
            fill: takes what is found.
        """
        self._replay = replay
        self._source = source
        self._fill = fill
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="table-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends looking; a look under way at a server that is gone is not waited for."""
        self._closed.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        # What is in a queue is learned from and gone as soon as it comes.
        while self._source.keeps:
            try:
                table = self._replay.server_info(_TIMEOUT_S)[TABLE]
            except (reverb.errors.ReverbError, RuntimeError, LookupError, OSError):
                # It is being started again. What samples from it says so if that takes too long.
                self._fill.size = None
            else:
                length, evicts = self._source.segment_length, self._source.capacity is not None
                capacity = table.max_size * length if evicts else None
                self._fill.see(table.current_size * length, capacity)
            if self._closed.wait(_PERIOD_S):
                return
