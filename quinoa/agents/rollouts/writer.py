"""What puts an actor's rollouts into Reverb, each marked with the parameters it was acted with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from quinoa.agents.config import OnPolicyConfig
from quinoa.agents.replay.items import ItemWriter
from quinoa.agents.rollouts.buffer import RolloutBuffer
from quinoa.agents.rows import RowLayout
from quinoa.agents.source import Parameters
from quinoa.agents.types import Transition

# How long one wait for Reverb or for newer parameters may last before `should_stop` is asked again.
_WAIT_S = 0.1
# How long an actor waits for newer parameters before it acts once more with those that it has. What
# it wrote may have been lost with a server or learner that is being started again; where the
# learner only takes its time, what comes too late is dropped there.
NEWER_PARAMETERS_S = 10.0
# What an item has, in the order in which Reverb, as `tf.nest`, flattens it.
FIELDS = ("fingerprint", "rows")


class RolloutWriter:
    """Writes segments of N environments, one of each in a Reverb item, as many as a batch has.

    What comes after those is dropped until `begin` is called.
    """

    def __init__(
        self,
        server_address: str,
        num_environments: int,
        config: OnPolicyConfig,
        layout: RowLayout,
        *,
        of_each: int,
        should_stop: Callable[[], bool],
    ) -> None:
        """Connects to the server, which must be up.

        Args:
            server_address: "host:port".
            num_environments: N, of this actor.
            config: of the agent.
            layout: of its rows.
            of_each: the segments of each environment in a batch.
            should_stop: asked every 0.1 s while `append` waits for the server to take segments;
                when it is true, `append` returns.
        """
        self._buffer = RolloutBuffer(num_environments, config.segment_length, layout)
        self._of_each = of_each
        self._should_stop = should_stop
        self._writer = ItemWriter(server_address, len(FIELDS))
        self._fingerprint = 0
        self._left = 0

    @property
    def is_complete(self) -> bool:
        """Whether all segments that a batch is to have of this actor are written."""
        return not self._left

    def begin(self, fingerprint: int) -> None:
        """Has the next segments be those of another batch.

        Args:
            fingerprint: of the parameters that they are acted with.
        """
        self._fingerprint = fingerprint
        self._left = self._of_each

    def append(self, transitions: Transition, valid: npt.NDArray[np.bool_] | None = None) -> None:
        """Writes one transition of each environment, or drops it if the batch is complete.

        Args:
            transitions: leading shape [N].
            valid: bool [N], False for a row that is no transition. None where every row is one.

        Raises:
            ValueError: a field has a shape that the layout does not have.
            RuntimeError: the server has another table than this writer.
        """
        if not self._left:
            return
        segments = self._buffer.append(transitions, valid)
        if segments is None:
            return
        self._left -= 1
        item: dict[str, npt.NDArray[Any]]
        item = {"rows": segments, "fingerprint": np.array(self._fingerprint, np.int64)}
        self._writer.write([item[name] for name in FIELDS])
        while not self._writer.flush(0, _WAIT_S) and not self._should_stop():
            pass

    def close(self) -> None:
        """Closes the connection; a segment that is not complete is dropped."""
        self._left = 0
        self._writer.flush(0, _WAIT_S)
        self._writer.close()


class SynchronizedParameters:
    """Has an actor begin each batch with newer parameters than the last, and keep them for it."""

    def __init__(
        self,
        parameters: Parameters,
        writer: RolloutWriter,
        *,
        should_stop: Callable[[], bool],
        patience_s: float = NEWER_PARAMETERS_S,
    ) -> None:
        """Waits for nothing yet.

        Args:
            parameters: what keeps the policy up to date.
            writer: of the same actor.
            should_stop: asked while newer parameters are waited for; when it is true, the wait
                ends, and the actor's step is not written.
            patience_s: seconds after which the parameters at hand are acted with once more.
        """
        self._parameters = parameters
        self._writer = writer
        self._should_stop = should_stop
        self._patience_s = patience_s
        # The version that the present batch is acted with.
        self._began_with = -1

    @property
    def version(self) -> int:
        """See `Parameters`."""
        return self._parameters.version

    @property
    def fingerprint(self) -> int:
        """See `Parameters`."""
        return self._parameters.fingerprint

    def update(self) -> bool:
        """Waits, where a batch is complete, for parameters of another version than it was for."""
        if not self._writer.is_complete:
            return False
        deadline = time.monotonic() + self._patience_s
        while not self._should_stop():
            is_new = self._parameters.update()
            is_other = self._parameters.version != self._began_with
            if is_other or time.monotonic() >= deadline:
                self._began_with = self._parameters.version
                self._writer.begin(self._parameters.fingerprint)
                return is_new
            self._parameters.wait(_WAIT_S)
        return False

    def wait(self, timeout_s: float) -> None:
        """See `Parameters`."""
        self._parameters.wait(timeout_s)

    def close(self) -> None:
        """See `Parameters`."""
        self._parameters.close()
