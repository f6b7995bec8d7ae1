"""The services of a run as its nodes call them: found where they are, and again after a failure.

A client of Courier or Reverb is made for one address and keeps asking there, even where nobody
answers any more. So after a call that has failed, for whatever reason, the next one asks for the
service's address again and makes a new client. Making one connects to nothing and costs little.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from quinoa.launch.nodes.addresses import Addresses, AddressesFor, MoveWatch
from quinoa.launch.nodes.listening import wait_until_listening
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run.reports import Answer, Report, Send
from quinoa.launch.run.roles import Role

if TYPE_CHECKING:
    import courier
    import numpy as np
    import numpy.typing as npt
    import reverb


# Seconds after which a call to another process fails: it is being started again, or is gone.
CALL_TIMEOUT_S = 20.0
# Seconds from a call that has failed to the next one.
_RETRY_S = 0.1

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")
_Drawn = TypeVar("_Drawn")

GetParameters = Callable[[int], "tuple[int, npt.NDArray[np.float32]] | None"]
GetActingPlan = Callable[[], bytes]


class ServiceMovedError(ConnectionError):
    """A service is somewhere else now, and what was on its way to it cannot follow it there."""


@dataclasses.dataclass(frozen=True)
class Peers:
    """The services that the nodes of a run call.

    Attributes:
        report: the counter's `Counter.report`.
        get_parameters: the learner's `LearnerNode.get_parameters`.
        get_evaluation_parameters: the learner's `LearnerNode.get_evaluation_parameters`.
        get_acting_plan: the learner's `LearnerNode.get_acting_plan`.
        replay: the replay server.
    """

    report: Send
    get_parameters: GetParameters
    get_evaluation_parameters: GetParameters
    get_acting_plan: GetActingPlan
    replay: ReplayPeer

    @classmethod
    def of(cls, role: Role, addresses: Addresses) -> Peers:
        """The services for a node; it connects to none yet.

        Args:
            role: of the node. A service that `topology.KINDS` does not have it call is there, but
                each call of it raises `LookupError`.
            addresses: of the run.
        """
        mine = AddressesFor(addresses, KINDS[role].calls)
        report: RemoteMethod[[Report], Answer] = RemoteMethod(mine, Role.COUNTER, "report")
        get_parameters: RemoteMethod[[int], tuple[int, npt.NDArray[np.float32]] | None]
        get_parameters = RemoteMethod(mine, Role.LEARNER, "get_parameters")
        get_evaluated: RemoteMethod[[int], tuple[int, npt.NDArray[np.float32]] | None]
        get_evaluated = RemoteMethod(mine, Role.LEARNER, "get_evaluation_parameters")
        get_acting_plan: RemoteMethod[[], bytes]
        get_acting_plan = RemoteMethod(mine, Role.LEARNER, "get_acting_plan")
        return cls(report, get_parameters, get_evaluated, get_acting_plan, ReplayPeer(mine))


def answer_of_learner(
    ask: Callable[[], _Answer], should_stop: Callable[[], bool], *, tolerance_s: float
) -> _Answer | None:
    """What the learner answers, however long it takes to start; None when told to stop.

    Args:
        ask: calls it.
        should_stop: asked before each call.
        tolerance_s: seconds for which it may be out of reach.

    Raises:
        ConnectionError: it has been out of reach for longer.
    """
    deadline = time.monotonic() + tolerance_s
    while not should_stop():
        try:
            return ask()
        except Exception as error:
            if time.monotonic() >= deadline:
                raise ConnectionError(
                    f"The learner did not answer for {tolerance_s:.0f} s: {error}"
                ) from error
            time.sleep(_RETRY_S)
    return None


class RemoteMethod(Generic[_Arguments, _Answer]):
    """A method of another process, called through Courier, by any thread."""

    def __init__(
        self, addresses: Addresses, role: Role, method: str, *, timeout_s: float = CALL_TIMEOUT_S
    ):
        """Connects to nothing yet.

        Args:
            addresses: of the run.
            role: whose method it is.
            method: its name.
            timeout_s: seconds after which a call without an answer fails.
        """
        self._addresses = addresses
        self._role = role
        self._method = method
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: courier.Client | None = None

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        """Calls it.

        Raises:
            ConnectionError: nothing listens in time.
            Exception: of Courier's own types, where the method raises, or nothing answers in time.
            LookupError, OSError: see `Addresses.address_of`.
        """
        client = self._connected()
        try:
            answer: _Answer = getattr(client, self._method)(*args, **kwargs)
        except Exception:
            with self._lock:
                # Another thread may have made a new one by now.
                if self._client is client:
                    self._client = None
            raise
        return answer

    def _connected(self) -> courier.Client:
        import courier

        with self._lock:
            if self._client is not None:
                return self._client
        address = self._addresses.address_of(self._role)
        # No lock meanwhile: another thread may be calling by an earlier client.
        wait_until_listening(address, self._timeout_s)
        with self._lock:
            if self._client is None:
                self._client = courier.Client(address, call_timeout=self._timeout_s)
            return self._client


class ReplayPeer:
    """The replay server, as those who write to it, sample from it or look at it find it."""

    def __init__(self, addresses: Addresses):
        """Connects to nothing yet."""
        self._addresses = addresses
        self._client: reverb.Client | None = None

    def server_info(self, timeout_s: int) -> Mapping[str, Any]:
        """What the server says of its tables; for one thread.

        Args:
            timeout_s: seconds to wait for the answer.

        Raises:
            RuntimeError, reverb.errors.ReverbError: it does not answer.
            LookupError, OSError: see `Addresses.address_of`.
        """
        import reverb

        if self._client is None:
            self._client = reverb.Client(self._addresses.address_of(Role.REPLAY))
        try:
            information: Mapping[str, Any] = self._client.server_info(timeout_s)
        except Exception:
            self._client = None
            raise
        return information

    def connect(self, should_stop: Callable[[], bool]) -> str | None:
        """Waits until the server answers, wherever it is by then, for one that writes to it.

        Args:
            should_stop: asked every second; ends the wait when it is true.

        Returns:
            The address of the server; None if `should_stop` ended the wait.

        Raises:
            ConnectionError: it has not answered for 300 s at the same address.
            LookupError, OSError: see `Addresses.address_of`.
        """
        from quinoa.agents.replay import wait_to_write

        while not should_stop():
            address = self._addresses.address_of(Role.REPLAY)
            if wait_to_write(address, self._ended_by_move(address, should_stop)):
                return address
        return None

    def failing_where_moved(
        self, server_address: str, should_stop: Callable[[], bool]
    ) -> Callable[[], bool]:
        """`should_stop`, but it raises when the server is no longer where it is written to.

        What a writer has sent and the server has not confirmed may be in a checkpoint that the
        moved server has loaded, or not. Sent again by another writer, it might be there twice. So
        the process that writes is to fail, and to be started again without it.

        Args:
            server_address: that is written to.
            should_stop: the question.

        Raises (when it is asked):
            ServiceMovedError: the server has moved.
        """
        watch = MoveWatch(self._addresses, Role.REPLAY, server_address)

        def ask() -> bool:
            if watch.moved_to is not None:
                raise ServiceMovedError(
                    f"The replay server has moved from {server_address} to {watch.moved_to}; "
                    "what was on its way to it is not sent again."
                )
            return should_stop()

        return ask

    def drawn(
        self,
        draw: Callable[[str, Callable[[], bool]], Generator[_Drawn, None, None]],
        should_stop: Callable[[], bool],
    ) -> Generator[_Drawn, None, None]:
        """Draws from the server, and when that has moved, from where it is then.

        A move loses nothing but samples that have been drawn and not been used.

        Args:
            draw: makes an iterator, given the server's address and a question that ends the
                iterator when it is true.
            should_stop: ends the iterator that is returned when it is true.

        Raises:
            LookupError, OSError: see `Addresses.address_of`.
        """

        def begin() -> Generator[_Drawn, None, None]:
            address = self._addresses.address_of(Role.REPLAY)
            return draw(address, self._ended_by_move(address, should_stop))

        def follow(current: Generator[_Drawn, None, None]) -> Generator[_Drawn, None, None]:
            while True:
                with contextlib.closing(current):
                    yield from current
                if should_stop():
                    return
                current = begin()

        return follow(begin())

    def _ended_by_move(self, address: str, should_stop: Callable[[], bool]) -> Callable[[], bool]:
        """`should_stop`, but it is true too when the server is no longer at the address."""
        watch = MoveWatch(self._addresses, Role.REPLAY, address)
        return lambda: should_stop() or watch.moved_to is not None
