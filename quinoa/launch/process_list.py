"""Which processes a run has: written by its engine, read by whoever watches the run."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from quinoa.launch.files import write_json
from quinoa.launch.run_folder import RunFolder


class ProcessList:
    """Keeps `RunFolder.processes` up to date.

    It says the `host`, the `pid` of the engine with when that was `started` (seconds since 1970; a
    number alone may come to be another process's), and of each of the engine's `nodes` the `name`,
    the `role`, the `pid`, the `state` and how often it was started again (`restarts`).
    """

    def __init__(self, folder: RunFolder):
        """Writes that the engine, which is this process, has no other yet."""
        self._path = folder.processes
        self._engine = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
        }
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
