"""The replay server's table, and its signs of life."""

from __future__ import annotations

import contextlib
import threading
import time

import reverb

from agents.replay import tables
from launch import heartbeat
from launch.experiment import Experiment

# Seconds that the server has to answer in, and from one answer to the next question.
_ANSWER_S = 5
_PERIOD_S = 1.0


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
            time.sleep(_PERIOD_S)

    threading.Thread(target=ask, name="heartbeat", daemon=True).start()
