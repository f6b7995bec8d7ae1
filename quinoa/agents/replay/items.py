"""Writes items to a Reverb server through the client's extension module, without TensorFlow.

The package `reverb` is a wrapper around that module, which does all of the work, and imports
TensorFlow with whatever part of it is imported. An actor only writes, and would not need
TensorFlow otherwise: so this imports the extension module alone. Where the package has been
imported, or is later, both use the same module.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

# The table of every source.
TABLE = "transitions"

_EXTENSION = "reverb.libpybind"
_lock = threading.Lock()


class ItemWriter:
    """Writes items of columns, each of which has one array or several, all alike."""

    def __init__(self, server_address: str, num_columns: int, *, max_arrays: int = 1):
        """Connects to the server, which must be up.

        Args:
            server_address: "host:port".
            num_columns: the columns of an item.
            max_arrays: the most arrays of one item in one column.
        """
        extension = _extension()
        # Both are kept: what the one has made does not keep it alive.
        self._client = extension.Client(server_address)
        self._writer = self._client.NewTrajectoryWriter(
            extension.AutoTunedChunkerOptions(1, 1.0),
            True,  # Items are compared with the table's signature.
        )
        # A chunk for each array, sent at once: chunks of several would keep evicted items in the
        # server's memory for as long as one of their neighbours is left.
        for column in range(num_columns):
            self._writer.ConfigureChunker(column, extension.ConstantChunkerOptions(1, max_arrays))

    def write(
        self, columns: Sequence[npt.NDArray[np.generic] | Sequence[npt.NDArray[np.generic]]]
    ) -> None:
        """Begins to send an item to the table `TABLE`; it may be told no more of until `flush`.

        Args:
            columns: in the order of the table's signature, which has the shape of a column that is
                one array, and [M, ...] of one that is a list of M arrays; copied.

        Raises:
            ValueError, RuntimeError: the table has another signature.
        """
        is_one = [not isinstance(column, list) for column in columns]
        arrays = [[column] if one else column for column, one in zip(columns, is_one, strict=True)]
        references = [[first] for first in self._writer.Append([column[0] for column in arrays])]
        for index, column in enumerate(arrays):
            for array in column[1:]:
                step = [array if index == other else None for other in range(len(arrays))]
                references[index].append(self._writer.Append(step)[index])
        self._writer.CreateItem(TABLE, 1.0, references, is_one)

    def flush(self, max_pending: int, timeout_s: float) -> bool:
        """Waits until the server has confirmed all items but so many.

        Args:
            max_pending: that many may still be on their way.
            timeout_s: seconds, for which it waits at most.

        Returns:
            Whether it has confirmed them.

        Raises:
            RuntimeError: the server has another table than this writer.
        """
        try:
            self._writer.Flush(max_pending, max(1, round(1000 * timeout_s)))
        except RuntimeError as error:
            if "Timeout exceeded" in str(error):
                return False
            raise
        return True

    def close(self) -> None:
        """Closes the connection; what the server has not confirmed may be lost."""
        self._writer.Close()

    def __del__(self) -> None:
        # One that is not closed would wait until a server that may be gone has confirmed all.
        with contextlib.suppress(AttributeError):
            self._writer.Close()


def question(server_address: str) -> Callable[[int], None]:
    """Makes a function that waits for a server's answer, for so many seconds at most.

    It keeps one connection: many processes that connect anew at each try may keep one another from
    being answered.

    Raises (when it is called):
        RuntimeError: there was no answer in time.
    """
    client = _extension().Client(server_address)

    def ask(timeout_s: int) -> None:
        client.ServerInfo(timeout_s)

    return ask


def _extension() -> ModuleType:
    """The extension module, imported once for this process, by whichever code comes first."""
    with _lock:
        if _EXTENSION not in sys.modules:
            # It is linked to this library, and looks for it where no installation has it.
            ctypes.CDLL(str(_folder_of("tensorflow") / "libtensorflow_framework.so.2"))
            path = _folder_of("reverb") / "libpybind.so"
            spec = importlib.util.spec_from_file_location(_EXTENSION, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            # Its types can be registered only once.
            sys.modules[_EXTENSION] = module
        return sys.modules[_EXTENSION]


def _folder_of(package: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed.")
    return Path(spec.submodule_search_locations[0])
