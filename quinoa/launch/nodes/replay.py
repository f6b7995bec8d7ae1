"""The replay server as a process: serves the table, saves its contents, and sends heartbeats."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import reverb

from quinoa.agents.replay import TABLE
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.nodes import heartbeat
from quinoa.launch.run.run_folder import RunFolder

# Seconds between two looks whether a checkpoint is due.
_PERIOD_S = 0.5
# Seconds that the server may take to answer.
_SERVER_TIMEOUT_S = 60
# Bytes of an item in a checkpoint besides its numbers: keys, ranges, times.
_ITEM_BYTES = 150
# Seconds within which a live server answers, and from one answer to the next question.
_ANSWER_S = 5
_BEAT_S = 1.0


class ReplayNode:
    """Serves the table until it is told to stop, then saves its contents."""

    def __init__(
        self, experiment: Experiment, folder: RunFolder, port: int, stop: threading.Event
    ) -> None:
        """Starts the server, with the contents of the newest checkpoint in the run's folder.

        Args:
            experiment: what is run.
            folder: of the run; the checkpoints in its `replay` are of this experiment.
            port: the port of the server.
            stop: ends `run`.
        """
        self._source = experiment.make_source()
        self._stop_event = stop
        self._saver = replay_checkpoints.ReplaySaver(
            folder, experiment, replay_checkpoints.REVERB_FORMAT
        )
        checkpoint = replay_checkpoints.recover_newest(folder)
        # Reverb puts a folder in here for each, and would load one that it found when it starts.
        self._written = folder.replay / ".reverb.tmp"
        self._server = reverb.Server(
            self._source.tables(),
            port,
            reverb.checkpointers.DefaultCheckpointer(
                str(self._written),
                fallback_checkpoint_path=None if checkpoint is None else str(checkpoint.path),
            ),
        )
        self._client = reverb.Client(f"localhost:{port}")

    def run(self) -> None:
        """Saves at intervals until it is told to stop, then a last time."""
        keeps = self._source.keeps
        while not self._stop_event.wait(_PERIOD_S):
            if keeps and self._saver.is_due:
                self.save()
        if keeps and self._saver.is_on:
            self.save()

    def save(self) -> bool:
        """Writes a checkpoint while the server serves; returns whether there is one."""
        info = self._client.server_info(_SERVER_TIMEOUT_S)[TABLE]
        item_bytes = self._source.item_bytes + _ITEM_BYTES
        return self._saver.save(
            inserted=info.rate_limiter_info.insert_stats.completed,
            sampled=info.rate_limiter_info.sample_stats.completed,
            transitions=info.current_size * self._source.segment_length,
            size=info.current_size * item_bytes,
            fill=self._fill,
        )

    def _fill(self, folder: Path) -> None:
        try:
            written = Path(self._client.checkpoint())
            for path in written.iterdir():
                os.replace(path, folder / path.name)
        except (reverb.errors.ReverbError, RuntimeError, LookupError) as error:
            # Reverb reports errors of the file system as one of these.
            raise OSError(f"Reverb cannot write it: {error}") from error
        finally:
            shutil.rmtree(self._written, ignore_errors=True)


def beat_while_it_answers(address: str) -> None:
    """From now on, sends a heartbeat whenever the server of this process answers.

    The server's own threads can hang while Python runs. So a thread, which lasts as long as the
    process, calls the server.

    Args:
        address: the address of the server, "host:port"; it need not be up yet.
    """

    def ask() -> None:
        client = reverb.Client(address)
        while True:
            with contextlib.suppress(reverb.errors.ReverbError, RuntimeError):
                client.server_info(_ANSWER_S)
                heartbeat.beat()
            time.sleep(_BEAT_S)

    threading.Thread(target=ask, name="heartbeat", daemon=True).start()
