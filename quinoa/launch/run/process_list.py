"""The list of a run's processes: its engine writes it, `quinoa status` reads it."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json
from quinoa.launch.storage.saved_json import parsing_file, read_object

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class ProcessIdentity:
    """What a process is known by, so that another one with its number is not taken for it.

    Attributes:
        host: the name of its machine.
        pid: its number there.
        started: when it was started, in seconds since 1970. Clocks are set, and so the kernel's own
            measure comes beside it.
        boot: which start of the machine it belongs to; None where the kernel does not say.
        ticks: from that to its own start, in the kernel's clock ticks; None where the kernel does
            not say, and in files of versions that did not write it.
    """

    host: str
    pid: int
    started: float
    boot: str | None = None
    ticks: int | None = None

    def is_alive(self) -> bool | None:
        """Whether the process is still there; None where it is on another machine."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if self.ticks is None:
                return bool(process.create_time() == self.started)
            return (self.boot, self.ticks) == (_boot(), _ticks(process.pid))
        except (psutil.Error, ValueError):  # A negative number is a ValueError.
            return False

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ProcessIdentity:
        """The record of fields by name.

        Raises:
            LookupError, OverflowError, TypeError, ValueError: it is none.
        """
        boot, ticks = fields.get("boot"), fields.get("ticks")
        return cls(
            host=str(fields["host"]),
            pid=int(fields["pid"]),
            started=float(fields["started"]),
            boot=None if boot is None else str(boot),
            ticks=None if ticks is None else int(ticks),
        )


def this_process() -> ProcessIdentity:
    """What this process is known by."""
    pid = os.getpid()
    return ProcessIdentity(
        host=socket.gethostname(),
        pid=pid,
        started=psutil.Process().create_time(),
        boot=_boot(),
        ticks=_ticks(pid),
    )


def _boot() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _ticks(pid: int) -> int | None:
    """From the machine's start to the process's; None where the kernel does not say."""
    try:
        # After the name, which is in parentheses and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


class NodeState(str, enum.Enum):
    """What has become of a node's process."""

    WAITING = "waiting"  # Until there is room for it in the cluster.
    STARTING = "starting"
    RUNNING = "running"
    DOWN = "down"  # It has failed, and is to be started again.
    DONE = "done"
    GONE = "gone"  # The engine is no more there. It is read, and never written.

    __str__ = str.__str__


@dataclasses.dataclass(frozen=True)
class ListedNode:
    """One node of a run, and its process.

    Attributes:
        name: such as `actor-0`.
        role: what the node does.
        pid: the number of its process on its host.
        state: of that process.
        restarts: how often it was started again.
        host: the name of the machine that it is on; None for the engine's.
    """

    name: str
    role: Role
    pid: int
    state: NodeState
    restarts: int
    host: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether its process is on this machine, where the engine is too if nothing is said."""
        return self.host is None or self.host == socket.gethostname()

    def to_json(self) -> dict[str, Any]:
        """The fields by name, without a host where there is none."""
        fields = dataclasses.asdict(self)
        if self.host is None:
            del fields["host"]
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ListedNode:
        """The record of fields by name.

        Raises:
            LookupError, OverflowError, TypeError, ValueError: it is none.
        """
        return cls(
            name=str(fields["name"]),
            role=Role(fields["role"]),
            pid=int(fields["pid"]),
            state=NodeState(fields["state"]),
            restarts=int(fields["restarts"]),
            host=None if fields.get("host") is None else str(fields["host"]),
        )


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a run.

    Attributes:
        engine: the process that the engine is in; None where nothing is known of it.
        nodes: of the engine; none where all is in one process.
        takes_signals: whether a signal to the engine's process asks the run to end. In a thread of
            a user's program, which alone then gets the signal, it does not.
    """

    engine: ProcessIdentity | None = None
    nodes: Sequence[ListedNode] = ()
    takes_signals: bool = True


def read(path: Path) -> Processes:
    """Reads `RunFolder.processes`; there are none where there is no file.

    Raises:
        RunError: the file cannot be read, is damaged, or was written by another version.
    """
    fields = read_object(path) or {}
    with parsing_file(path):
        return Processes(
            engine=ProcessIdentity.from_json(fields) if "host" in fields else None,
            nodes=tuple(map(ListedNode.from_json, fields.get("nodes", ()))),
            takes_signals=bool(fields.get("takes_signals", True)),
        )


class ProcessList:
    """Keeps `RunFolder.processes` up to date."""

    def __init__(self, folder: RunFolder):
        """Writes that the engine, which is this process, has no other yet."""
        self._path = folder.processes
        self._engine = this_process()
        self._takes_signals = threading.current_thread() is threading.main_thread()
        self._written: Sequence[ListedNode] | None = None
        self.write([])

    def write(self, nodes: Sequence[ListedNode]) -> None:
        """Writes the nodes, if they are not as they were."""
        if nodes == self._written:
            return
        # On a full disk the run continues, and this is tried again.
        with contextlib.suppress(OSError):
            listed = [node.to_json() for node in nodes]
            fields = {**self._engine.to_json(), "nodes": listed}
            if not self._takes_signals:
                fields["takes_signals"] = False
            write_json(self._path, fields)
            self._written = list(nodes)
