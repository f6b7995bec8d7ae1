"""What puts an actor's transitions into Reverb."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OffPolicyConfig
from quinoa.agents.replay import planes
from quinoa.agents.replay.items import ItemWriter
from quinoa.agents.replay.segments import SegmentBuffer
from quinoa.agents.rows import RowLayout, Rows
from quinoa.agents.types import Transition

# How long one wait for Reverb may last before `should_stop` is asked again.
_WAIT_S = 0.1


class SegmentWriter:
    """Writes the transitions of N environments as segments, one Reverb item each.

    When the table's rate limiter delays insertions, at most N segments wait on their way to
    the server, and `append` blocks until there are no more than that.
    """

    def __init__(
        self,
        server_address: str,
        num_environments: int,
        config: OffPolicyConfig,
        layout: RowLayout,
        *,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Connects to the server, which must be up.

        Args:
            server_address: "host:port".
            num_environments: N.
            config: the agent's configuration.
            layout: of the rows.
            should_stop: asked every 0.1 s while `append` waits; when it is true, `append` returns
                with its segments still on their way (`close` then waits for them).
        """
        self._max_pending = num_environments
        self._should_stop = should_stop or (lambda: False)
        self._planes = planes.of(layout, config.segment_length)
        self._buffer = SegmentBuffer(
            num_environments,
            config.segment_length,
            layout,
            reuses_memory=self._planes is not None,
        )
        if self._planes is None:
            self._writer = ItemWriter(server_address, 1)
        else:
            self._writer = ItemWriter(server_address, 2, max_arrays=self._planes.max_blocks)
        self._closed = False

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Writes one transition of each environment.

        Returns once no more than N segments wait to be inserted, or when `should_stop()`.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition and is not written. None where
                every row is one.

        Raises:
            ValueError: a field has a shape that the environments' spec does not allow.
            RuntimeError: the writer is closed, or the server has another table than this writer.
        """
        if self._closed:
            raise RuntimeError("This SegmentWriter is closed.")
        finished = self._buffer.append(transitions, valid)
        if finished:
            self._create_items(finished)
            while not self._writer.flush(self._max_pending, _WAIT_S) and not self._should_stop():
                pass

    def close(self, timeout_s: float = 3.0) -> bool:
        """Writes the segments under way, padded, and closes the connection.

        Args:
            timeout_s: how long to wait for the server to take what is left. At the end of a run the
                learner may have stopped, and the rate limiter closed for good.

        Returns:
            Whether the server has taken every transition that was appended.
        """
        if self._closed:
            return True
        self._closed = True
        deadline = time.monotonic() + timeout_s
        self._create_items(self._buffer.flush())
        complete = self._writer.flush(0, 0.0)
        while not complete and (left := deadline - time.monotonic()) > 0:
            complete = self._writer.flush(0, min(left, _WAIT_S))
        self._writer.close()
        return complete

    def _create_items(self, segments: Sequence[Rows]) -> None:
        for segment in segments:
            if self._planes is None:
                self._writer.write([segment])
            else:
                rows, found = self._planes.split(segment)
                self._writer.write([rows, list(self._planes.blocks(found))])
