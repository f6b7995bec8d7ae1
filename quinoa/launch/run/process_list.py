"""Which processes a run has: written by its engine, read by whoever watches the run."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """What this process is known by, as JSON values.

    Its `host`, its `pid` with when that was `started` (seconds since 1970), and, since a number may
    come to be another process's and clocks are set, by the kernel's own measure: which `boot` of
    the machine, and how many `ticks` after it.
    """
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "started": psutil.Process().create_time(),
        "boot": _boot(),
        "ticks": _ticks(pid),
    }


def is_alive(known: Mapping[str, Any]) -> bool | None:
    """Whether a process is still there.

    Args:
        known: what `this_process` said in it; of runs of before, without `boot` and `ticks`.

    Returns:
        None where it is of another machine, or nothing is known of it.
    """
    if known.get("host") != socket.gethostname():
        return None
    try:
        process = psutil.Process(known["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if known.get("ticks") is None:
            return bool(process.create_time() == known["started"])
        return (known["boot"], known["ticks"]) == (_boot(), _ticks(process.pid))
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


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


class ProcessList:
    """Keeps `RunFolder.processes` up to date.

    It says of the engine what `this_process` does, and of each of the engine's `nodes` the `name`,
    the `role`, the `pid`, the `state` and how often it was started again (`restarts`).
    """

    def __init__(self, folder: RunFolder):
        """Writes that the engine, which is this process, has no other yet."""
        self._path = folder.processes
        self._engine = this_process()
        self._written: Sequence[Mapping[str, Any]] | None = None
        self.write([])

    def write(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Writes the nodes, if they are not as they were."""
        if nodes == self._written:
            return
        # On a full disk the run goes on, and this is tried again.
        with contextlib.suppress(OSError):
            write_json(self._path, {**self._engine, "nodes": list(nodes)})
            self._written = list(nodes)
