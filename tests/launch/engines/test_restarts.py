"""Restarts are counted, and written as soon as the disk takes them."""

from __future__ import annotations

import pandas as pd

from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.metrics import event_file
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


def test_a_disk_that_refuses_a_folder_costs_no_row(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    folder.create()
    restarts = Restarts(folder, ["learner", "actor"], lambda: Counts(actor_steps=7))
    refused = [True]
    original = event_file.EventFile.__init__

    def refuses(self, *arguments, **options):
        if refused[0]:
            raise OSError(28, "No space left on device")
        original(self, *arguments, **options)

    monkeypatch.setattr(event_file.EventFile, "__init__", refuses)
    for seconds in (1.5, 2.5):
        restarts.add("actor")
        restarts.add_seconds("actor", seconds)
    assert restarts.seconds_lost == 4.0
    refused[0] = False
    restarts.flush()
    restarts.flush()
    table = pd.read_csv(folder.metrics(Role.SUPERVISOR))
    assert table["restarts"].tolist() == [1, 2]
    assert table["seconds_lost"].tolist() == [1.5, 4.0]
