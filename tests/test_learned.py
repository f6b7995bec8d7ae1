from __future__ import annotations

import os
from pathlib import Path

import quinoa
from quinoa.launch.machine import embedded_tensorflow
from quinoa.launch.trained import export
from quinoa.run import Run
from tests.launch.written_runs import write_run


def test_what_is_exported_is_where_was_said_though_code_goes_to_another_folder(
    tmp_path, monkeypatch
):
    run = quinoa.load(write_run(tmp_path / "run").root)
    (tmp_path / "start").mkdir()
    monkeypatch.chdir(tmp_path / "start")

    def wanders(folder, experiment, checkpoint, to: Path) -> None:
        os.chdir(tmp_path)
        to.mkdir()

    monkeypatch.setattr(export, "export", wanders)
    monkeypatch.setattr(Run, "_checkpoint", lambda self, step: None)
    monkeypatch.setattr(Run, "experiment", None)
    monkeypatch.setattr(embedded_tensorflow, "import_tensorflow", lambda: None)
    assert run.export("taken") == tmp_path / "start" / "taken"
    assert (tmp_path / "start" / "taken").is_dir()
