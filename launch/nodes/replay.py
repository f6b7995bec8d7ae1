"""The replay server's table."""

from __future__ import annotations

import reverb

from agents.replay import tables
from launch.experiment import Experiment


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
