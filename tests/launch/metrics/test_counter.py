from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
import pytest

from quinoa.agents.evaluation import EvaluationResult
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.metrics.tensorboard_names import ACTING_RATE, UPDATES_PER_STEP
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.run.counts import ACTOR_STEPS, EPISODES, LEARNER_STEPS, Counts
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.disks import fill, make_larger


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def counter(folder):
    made = Counter(folder, steps=100)
    yield made
    made.close()


def test_adds_up_what_the_sources_report(counter):
    counter.report("a", "actor", {ACTOR_STEPS: 10, EPISODES: 1}, 0, [])
    counter.report("b", "actor", {ACTOR_STEPS: 5}, 0, [])
    counter.report("learner", "learner", {LEARNER_STEPS: 3}, 0, [])
    answer = counter.report("a", "actor", {ACTOR_STEPS: 30, EPISODES: 2}, 0, [])
    assert answer == {ACTOR_STEPS: 35, EPISODES: 2, LEARNER_STEPS: 3, "stop": False}


def test_says_stop_at_the_last_step_and_not_before(counter):
    assert not counter.report("a", "actor", {ACTOR_STEPS: 99}, 0, [])["stop"]
    assert counter.report("a", "actor", {ACTOR_STEPS: 100}, 0, [])["stop"]
    # The learner's steps do not end a run.
    assert counter.report("learner", "learner", {LEARNER_STEPS: 10**6}, 0, [])["stop"]


def test_a_report_that_is_repeated_counts_once(counter, folder):
    rows = [{"x": 1.0}, {"x": 2.0}]
    for _ in range(3):
        counter.report("a", "actor", {ACTOR_STEPS: 10}, 0, rows)
    # The answer to the first two got lost; they come again with the next one.
    counter.report("a", "actor", {ACTOR_STEPS: 20}, 0, [*rows, {"x": 3.0}])
    counter.report("a", "actor", {ACTOR_STEPS: 20}, 3, [{"x": 4.0}])
    counter.report("b", "actor", {ACTOR_STEPS: 1}, 0, [{"x": 5.0}])
    counter.save()
    table = pd.read_csv(folder.metrics("actor"))
    assert table["x"].tolist() == [1, 2, 3, 4, 5]
    assert table["actor_steps"].tolist() == [10, 10, 20, 20, 21]


def test_a_counter_that_is_new_takes_rows_of_an_old_source(counter, folder):
    counter.report("a", "actor", {ACTOR_STEPS: 10}, 7, [{"x": 1.0}])
    counter.save()
    assert pd.read_csv(folder.metrics("actor"))["x"].tolist() == [1]


def test_rows_have_time_and_counts_and_may_give_their_own(counter, folder):
    counter.report("learner", "learner", {LEARNER_STEPS: 40}, 0, [{"loss": 0.5}])
    counter.report("e", "evaluator", {}, 0, [{LEARNER_STEPS: 20, "episode_return": 1.5}])
    counter.save()
    assert pd.read_csv(folder.metrics("learner"))["learner_steps"].tolist() == [40]
    row = pd.read_csv(folder.metrics("evaluator")).iloc[0]
    assert (row["learner_steps"], row["episode_return"]) == (20, 1.5)
    assert row["wall_time"] > 1.6e9


def test_status_is_saved_with_returns(counter, folder):
    assert counter.status()["actor_return"] is None
    for value in (1.0, 3.0, None):
        row = {"episode_return": value}
        counter.report(f"a{value}", "actor", {}, 0, [row])
    counter.report("e", "evaluator", {}, 0, [{"episode_return": 7.0}])
    counter.save()
    saved = read_json(folder.status)
    assert saved["actor_return"] == 2.0
    assert saved["evaluation_return"] == 7.0
    assert saved["steps"] == 100


def test_status_says_how_the_run_goes(counter, folder):
    assert counter.status()["parameter_age"] is None
    assert counter.status()["updates_per_step"] is None
    counter.save()
    for index, age in ((0, 5), (1, 70), (1, 30)):
        row = {"actor": index, "episode_return": None, "parameter_age": age}
        counter.report(f"a{index}{age}", "actor", {ACTOR_STEPS: 10}, 0, [row])
    learned = {"replay_size": 40, "waiting": 0.25}
    counter.report("learner", "learner", {LEARNER_STEPS: 15}, 0, [learned])
    counter.save()
    saved = read_json(folder.status)
    assert (saved["replay_size"], saved["waiting"], saved["parameter_age"]) == (40, 0.25, 30)
    assert saved["updates_per_step"] == 0.5
    assert saved["actor_steps_per_second"] == pytest.approx(2 * saved["learner_steps_per_second"])


def test_tensorboard_has_the_rates_of_the_run_as_a_whole(folder, monkeypatch):
    monkeypatch.setattr("quinoa.launch.metrics.counter._RATES_S", 0.0)
    counter = Counter(folder, 100)
    counter.save()
    counter.report("a", "actor", {ACTOR_STEPS: 10}, 0, [])
    counter.report("learner", "learner", {LEARNER_STEPS: 5}, 0, [])
    counter.save()
    counter.close()
    assert scalars(folder, UPDATES_PER_STEP)[0] == 0.5
    assert scalars(folder, ACTING_RATE)[0] > 0


def test_each_episode_of_an_evaluation_is_a_row_of_its_own(counter, folder):
    result = EvaluationResult(np.array([1.5, 2.5]), np.array([3, 4]))
    for actor_steps in (10, 20):
        row = evaluation_row(result, actor_steps, 5)
        counter.report(f"e{actor_steps}", "evaluator", {}, 0, [row])
    counter.save()
    table = pd.read_csv(folder.evaluations)
    assert table["actor_steps"].tolist() == [10, 10, 20, 20]
    assert table["learner_steps"].tolist() == [5] * 4
    assert table["episode"].tolist() == [0, 1, 0, 1]
    assert table["episode_return"].tolist() == [1.5, 2.5] * 2
    assert table["episode_length"].tolist() == [3, 4] * 2
    assert pd.read_csv(folder.metrics("evaluator"))["episode_return"].tolist() == [2.0, 2.0]


def test_many_threads_lose_nothing(counter, folder):
    def report_all(name: str) -> None:
        for i in range(50):
            counter.report(name, "actor", {ACTOR_STEPS: i + 1}, i, [{"x": float(i)}])

    threads = [threading.Thread(target=report_all, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.status()[ACTOR_STEPS] == 400
    counter.save()
    assert len(pd.read_csv(folder.metrics("actor"))) == 400


def test_columns_stay_as_they_are(folder):
    row = {"wall_time": 1.0, "actor_steps": 2, "learner_steps": 3, "x": 4.0}
    log = MetricsLog(folder)
    log.write("learner", row)
    with pytest.raises(ValueError, match="has the columns"):
        log.write("learner", {**row, "y": 5.0})
    log.close()


def test_files_are_written_on(folder):
    row = {"wall_time": 1.0, "actor_steps": 2, "learner_steps": 3, "x": 4.0, "y": None}
    for _ in range(2):
        log = MetricsLog(folder)
        # In another order the columns are the same.
        log.write("learner", row)
        log.write("learner", dict(reversed(row.items())))
        log.close()
    table = pd.read_csv(folder.metrics("learner"))
    assert table["x"].tolist() == [4.0] * 4
    assert table["y"].isna().all()
    assert table.columns.tolist() == list(row)


def test_tensorboard_reads_what_is_written(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(folder)
    for step in (10, 20):
        times = {"wall_time": 1e9 + step, "actor_steps": step, "learner_steps": 1}
        log.write("learner", {**times, "loss": step / 4, "nothing": None})
    log.close()
    accumulator = EventAccumulator(str(folder.tensorboard))
    accumulator.Reload()
    assert accumulator.Tags()["scalars"] == ["loss/loss"]
    events = accumulator.Scalars("loss/loss")
    assert [(e.step, e.value, e.wall_time) for e in events] == [
        (10, 2.5, 1e9 + 10),
        (20, 5.0, 1e9 + 20),
    ]


def test_it_starts_from_where_a_run_goes_on(folder):
    start = Counts(actor_steps=50, episodes=5, learner_steps=20)
    counter = Counter(folder, 100, start)
    assert counter.report("a", "actor", {}, 0, []) == {**start.to_json(), "stop": False}
    counter.report("learner", "learner", {LEARNER_STEPS: 21}, 0, [])
    answer = counter.report("a", "actor", {ACTOR_STEPS: 50, EPISODES: 1}, 0, [])
    assert answer == {ACTOR_STEPS: 100, EPISODES: 6, LEARNER_STEPS: 21, "stop": True}
    counter.close()


def test_a_second_counter_knows_what_the_first_was_told(folder):
    first = Counter(folder, 100)
    row = {"episode_return": None}
    first.report("gone", "actor", {ACTOR_STEPS: 30}, 0, [row])
    first.report("learner", "learner", {LEARNER_STEPS: 7}, 0, [])
    first.save()
    second = Counter(folder, 100)
    # The answer had got lost: the row is reported again, and is written once.
    answer = second.report("gone", "actor", {ACTOR_STEPS: 30}, 0, [row, row])
    assert answer == {ACTOR_STEPS: 30, EPISODES: 0, LEARNER_STEPS: 7, "stop": False}
    assert second.report("new", "actor", {ACTOR_STEPS: 1}, 0, [])[ACTOR_STEPS] == 31
    second.close()
    assert len(pd.read_csv(folder.metrics("actor"), skip_blank_lines=False)) == 2
    assert not folder.counter.exists()


def test_a_full_disk_costs_no_row_and_no_count(small_disk, capsys):
    folder = RunFolder(small_disk)
    counter = Counter(folder, steps=10**6)

    def report(step: int) -> None:
        rows = [{"episode_return": float(step)}]
        answer = counter.report("a", "actor", {ACTOR_STEPS: step + 1}, step, rows)
        assert answer[ACTOR_STEPS] == step + 1

    for step in range(10):
        report(step)
    assert counter.save()
    ballast = fill(small_disk)
    for step in range(10, 1000):
        report(step)
        if step % 100 == 0:
            # It says so, goes on, and leaves what is there whole.
            assert not counter.save()
            table = pd.read_csv(folder.metrics("actor"))
            assert table["episode_return"].tolist() == list(range(len(table)))
            assert read_json(folder.status)[ACTOR_STEPS] <= step + 1
            assert not list(small_disk.glob(".*.tmp"))
    assert capsys.readouterr().err.count("status.json cannot be written (No space left") == 1
    make_larger(small_disk)
    ballast.unlink()
    assert counter.save()
    assert read_json(folder.status)[ACTOR_STEPS] == 1000
    report(1000)
    counter.close()
    assert pd.read_csv(folder.metrics("actor"))["episode_return"].tolist() == list(range(1001))
    assert scalars(folder, "learning/actor_return") == list(range(1001))
    (event,) = map(json.loads, folder.events.read_text().splitlines())
    assert (event["event"], event["node"], event["lost"]) == ("disk_full", "counter", 0)
    assert event["seconds"] > 0


def test_a_counter_that_closes_on_a_full_disk_ends(small_disk, monkeypatch, capsys):
    monkeypatch.setattr("quinoa.launch.metrics.counter._CLOSE_S", 0.3)
    fill(small_disk)
    counter = Counter(RunFolder(small_disk), steps=10)
    counter.report("a", "actor", {ACTOR_STEPS: 1}, 0, [{"x": 1.0}])
    counter.close()
    assert "make room" in capsys.readouterr().err


def test_a_second_counter_mends_a_cut_row(folder):
    rows = [{"x": 1.0}, {"x": 2.0}]
    first = Counter(folder, 100)
    first.report("a", "actor", {ACTOR_STEPS: 10}, 0, rows)
    first.save()
    path = folder.metrics("actor")
    path.write_bytes(path.read_bytes()[:-3])
    second = Counter(folder, 100)
    second.report("b", "actor", {ACTOR_STEPS: 5}, 0, [{"x": 3.0}])
    second.close()
    table = pd.read_csv(path)
    assert table["x"].tolist() == [1.0, 3.0]
    assert table["actor_steps"].tolist() == [10, 15]


def scalars(folder: RunFolder, tag: str) -> list[float]:
    """The values that TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder.tensorboard), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [event.value for event in accumulator.Scalars(tag)]
