"""Runs of the local engine whose process is a real one, but trains nothing."""

from __future__ import annotations

import pickle
import shutil
import threading

import pytest

from quinoa import training
from quinoa.launch.commands.running import hosted_run
from quinoa.launch.run.run_folder import RunFolder
from quinoa.session import TrainingError
from tests.launch.helpers import ROOT, wait_until

STORED = ROOT / "tests" / "stored_runs" / "local"


@pytest.mark.parametrize(("times", "outcome"), [(1, "stopped"), (2, "killed")])
def test_stop_asks_the_process_of_the_run_each_time(tmp_path, monkeypatch, times, outcome):
    folder, asked = tmp_path / "run", tmp_path / "asked"
    shutil.copytree(STORED, folder)
    RunFolder(folder).result.unlink()

    # In place of `hosted_run.run`. Defined here so that it is pickled whole, not by its name.
    def run(channel, texts, environment):
        import signal
        import time

        from quinoa.launch.run.result import Outcome, RunResult
        from quinoa.launch.run.run_folder import RunFolder
        from quinoa.launch.storage.files import write_json

        signals: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
        channel.send("started", str(folder))
        while len(signals) < times:
            time.sleep(0.01)
            asked.write_text(str(len(signals)))
        result = RunResult(Outcome(outcome)).to_json()
        write_json(RunFolder(folder).result, result)
        return {"result": result, "evaluation_error": None}

    monkeypatch.setattr(hosted_run, "run", run)
    started = training.make_session([], None, "local", [], progress=False).start(wait=False)
    assert started.path == folder and started.outcome is None
    started.stop()
    if times == 2:
        assert wait_until(lambda: asked.is_file() and asked.read_text() == "1", 60)
        # It has heard that, and is still at it.
        with pytest.raises(TimeoutError):
            started.wait(timeout=0.3)
        started.stop()
    assert started.wait(timeout=60) is started
    assert started.outcome == outcome


def test_a_failure_reaches_the_process_that_a_pools_process_works_for():
    # A run has a session, and so locks, that cannot be sent.
    error = TrainingError("learner-0 failed", threading.Lock())  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, TrainingError) and (str(again), again.run) == (str(error), None)
