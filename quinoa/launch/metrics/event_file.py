"""TensorBoard's event files, written without importing TensorFlow."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quinoa.launch.storage.record_file import RecordFile

if TYPE_CHECKING:
    from tensorboard.plugins.custom_scalar import layout_pb2


class EventFile:
    """One event file: scalars, and the layout of their charts."""

    def __init__(self, folder: Path, *, resumed_at: int = 0):
        """Starts a new file in the folder; `file.flush` writes it.

        Args:
            folder: where to.
            resumed_at: TensorBoard drops what earlier files say of this step and later ones.
        """
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._Event, self._Summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now)}.{os.getpid()}.{time.monotonic_ns()}"
        self.file = RecordFile(folder / name, lines=False)
        self._records = RecordWriter(self.file)
        self._write(wall_time=now, file_version="brain.Event:2")
        if resumed_at:
            session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._write(wall_time=now, step=resumed_at + 1, session_log=session)

    def write(self, scalars: Mapping[str, float], *, step: int, wall_time: float) -> None:
        """Writes scalars by tag."""
        values = [
            self._Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()
        ]
        self._write(wall_time=wall_time, step=step, summary=self._Summary(value=values))

    def write_layout(self, layout: layout_pb2.Layout, *, step: int, wall_time: float) -> None:
        """Writes which charts TensorBoard's custom scalars are to be."""
        from tensorboard.compat.proto import tensor_pb2, types_pb2
        from tensorboard.plugins.custom_scalar import metadata

        # As `custom_scalar.summary.pb`, which imports TensorFlow for it.
        value = self._Summary.Value(
            tag=metadata.CONFIG_SUMMARY_TAG,
            metadata=metadata.create_summary_metadata(),
            tensor=tensor_pb2.TensorProto(
                dtype=types_pb2.DT_STRING, string_val=[layout.SerializeToString()]
            ),
        )
        self._write(wall_time=wall_time, step=step, summary=self._Summary(value=[value]))

    def _write(self, **fields: Any) -> None:
        self._records.write(self._Event(**fields).SerializeToString())
