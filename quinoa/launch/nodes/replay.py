"""The replay server as a process: holds the table, saves what it holds, and gives signs of life."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import reverb

from quinoa.agents.replay import tables
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.nodes import heartbeat
from quinoa.launch.run.run_folder import RunFolder

# Seconds from one look whether a checkpoint is due to the next.
_PERIOD_S = 0.5
# How long the server may take to answer.
_SERVER_TIMEOUT_S = 60
# Of each item in a checkpoint, besides its numbers: keys, ranges, times.
_ITEM_BYTES = 150
# Seconds that it has to answer in to be alive, and from one answer to the next question.
_ANSWER_S = 5
_BEAT_S = 1.0


class ReplayNode:
    """Serves the table until it is told to stop, then saves what it holds."""

    def __init__(
        self, experiment: Experiment, folder: RunFolder, port: int, stop: threading.Event
    ) -> None:
        """Starts the server, with what the newest checkpoint in the run's folder holds.

        Args:
            experiment: what is run.
            folder: of the run; what is in its `replay` fits the experiment.
            port: of the server.
            stop: ends `run`.
        """
        self._length = experiment.config.segment_length
        self._stop_event = stop
        self._saver = replay_checkpoints.ReplaySaver(
            folder, experiment, replay_checkpoints.REVERB_FORMAT
        )
        checkpoint = replay_checkpoints.recover_newest(folder)
        # Reverb puts a folder in here for each, and would load one that it found when it starts.
        self._written = folder.replay / ".reverb.tmp"
        self._server = reverb.Server(
            make_tables(experiment),
            port,
            reverb.checkpointers.DefaultCheckpointer(
                str(self._written),
                fallback_checkpoint_path=None if checkpoint is None else str(checkpoint.path),
            ),
        )
        self._client = reverb.Client(f"localhost:{port}")

    def run(self) -> None:
        """Saves at intervals until it is told to stop, then a last time."""
        while not self._stop_event.wait(_PERIOD_S):
            if self._saver.is_due:
                self.save()
        if self._saver.is_on:
            self.save()

    def save(self) -> bool:
        """Writes a checkpoint, while the server goes on; returns whether there is one."""
        info = self._client.server_info(_SERVER_TIMEOUT_S)[tables.TABLE]
        item_bytes = 4 * info.signature.shape.num_elements() + _ITEM_BYTES
        return self._saver.save(
            inserted=info.rate_limiter_info.insert_stats.completed,
            sampled=info.rate_limiter_info.sample_stats.completed,
            transitions=info.current_size * self._length,
            size=info.current_size * item_bytes,
            fill=self._fill,
        )

    def _fill(self, folder: Path) -> None:
        try:
            written = Path(self._client.checkpoint())
            for path in written.iterdir():
                os.replace(path, folder / path.name)
        except (reverb.errors.ReverbError, RuntimeError, LookupError) as error:
            # As which Reverb reports what the system says of a file.
            raise OSError(f"Reverb cannot write it: {error}") from error
        finally:
            shutil.rmtree(self._written, ignore_errors=True)


def make_tables(experiment: Experiment) -> list[reverb.Table]:
    """Makes the tables of the replay server of an experiment."""
    config = experiment.config
    return [
        tables.make_table(
            config,
            experiment.spec(),
            samples_per_insert=config.samples_per_insert,
            steps_per_call=experiment.steps_per_call,
        )
    ]


def beat_while_it_answers(address: str) -> None:
    """Has this process, from now on, give a sign of life whenever its server answers.

    The server's threads can hang where this process's Python goes on, so they are asked, from a
    thread that lasts as long as the process.

    Args:
        address: of the server, "host:port"; it need not be up yet.
    """

    def ask() -> None:
        client = reverb.Client(address)
        while True:
            with contextlib.suppress(reverb.errors.ReverbError, RuntimeError):
                client.server_info(_ANSWER_S)
                heartbeat.beat()
            time.sleep(_BEAT_S)

    threading.Thread(target=ask, name="heartbeat", daemon=True).start()
