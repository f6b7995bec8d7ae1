from __future__ import annotations

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest

from quinoa.agents.evaluation import EvaluationResult
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.metrics.metrics_log import MetricsLog
from quinoa.launch.metrics.tensorboard_names import ACTING_RATE, UPDATES_PER_STEP
from quinoa.launch.roles.metric_rows import evaluation_row
from quinoa.launch.run import events
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import ACTOR_STEPS, LEARNER_STEPS, Counts
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.reports import Report
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.disks import fill, make_larger
from tests.launch.reports import report


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.fixture
def counter(folder):
    made = Counter(folder, Budget(100))
    yield made
    made.close()


def test_adds_up_what_the_sources_report(counter):
    report(counter, "a", actor_steps=10, episodes=1)
    report(counter, "b", actor_steps=5)
    report(counter, "learner", "learner", learner_steps=3)
    answer = report(counter, "a", actor_steps=30, episodes=2)
    assert answer.counts == Counts(actor_steps=35, episodes=2, learner_steps=3)


def test_however_many_actors_there_are_they_report_as_often_as_one_process_can_take(
    counter, monkeypatch
):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    periods = [report(counter, f"actor-{index}").period_s for index in range(1000)]
    # 250 reports a second of all together.
    assert periods[:3] == [0.004, 0.008, 0.012]
    assert periods[-1] == 4.0
    # The learner and the evaluator report as they like.
    assert report(counter, "learner", "learner").period_s == 0.0
    for index in range(1000, 4000):
        last = report(counter, f"actor-{index}")
    assert last.period_s == 10.0
    # Those that have gone do not count for long.
    now[0] += 31.0
    report(counter, "actor-0")
    counter.save()
    assert report(counter, "actor-0").period_s == 0.004


def test_says_stop_at_the_last_step_and_not_before(counter):
    assert not report(counter, "a", actor_steps=99).is_over
    assert report(counter, "a", actor_steps=100).is_over
    # The learner's steps do not end a run.
    assert report(counter, "learner", "learner", learner_steps=10**6).is_over


def test_a_report_that_is_repeated_counts_once(counter, folder):
    rows = [{"x": 1.0}, {"x": 2.0}]
    for _ in range(3):
        report(counter, "a", actor_steps=10, rows=rows)
    # The answer to the first two got lost; they come again with the next one.
    report(counter, "a", actor_steps=20, rows=[*rows, {"x": 3.0}])
    report(counter, "a", actor_steps=20, rows=[{"x": 4.0}], first_row=3)
    report(counter, "b", actor_steps=1, rows=[{"x": 5.0}])
    counter.save()
    table = pd.read_csv(folder.metrics("actor"))
    assert table["x"].tolist() == [1, 2, 3, 4, 5]
    assert table["actor_steps"].tolist() == [10, 10, 20, 20, 21]


def test_a_counter_that_is_new_takes_rows_of_an_old_source(counter, folder):
    report(counter, "a", actor_steps=10, rows=[{"x": 1.0}], first_row=7)
    counter.save()
    assert pd.read_csv(folder.metrics("actor"))["x"].tolist() == [1]


def test_rows_have_time_and_counts_and_may_give_their_own(counter, folder):
    report(counter, "learner", "learner", learner_steps=40, rows=[{"loss": 0.5}])
    report(counter, "e", "evaluator", rows=[{LEARNER_STEPS: 20, "episode_return": 1.5}])
    counter.save()
    assert pd.read_csv(folder.metrics("learner"))["learner_steps"].tolist() == [40]
    row = pd.read_csv(folder.metrics("evaluator")).iloc[0]
    assert (row["learner_steps"], row["episode_return"]) == (20, 1.5)
    assert row["wall_time"] > 1.6e9


def test_status_is_saved_with_returns(counter, folder):
    assert counter.status().actor_return is None
    for value in (1.0, 3.0, None):
        row = {"episode_return": value}
        report(counter, f"a{value}", rows=[row])
    report(counter, "e", "evaluator", rows=[{"episode_return": 7.0}])
    counter.save()
    saved = read_json(folder.status)
    assert saved["actor_return"] == 2.0
    assert saved["evaluation_return"] == 7.0
    assert saved["steps"] == 100


def test_status_says_how_the_run_goes(counter, folder):
    assert counter.status().parameter_age is None
    assert counter.status().rates.updates_per_step is None
    counter.save()
    for index, age in ((0, 5), (1, 70), (1, 30)):
        row = {"actor": index, "episode_return": None, "parameter_age": age}
        report(counter, f"a{index}{age}", actor_steps=10, rows=[row])
    learned = {"replay_size": 40, "waiting": 0.25}
    report(counter, "learner", "learner", learner_steps=15, rows=[learned])
    counter.save()
    saved = read_json(folder.status)
    assert (saved["replay_size"], saved["waiting"], saved["parameter_age"]) == (40, 0.25, 30)
    assert saved["updates_per_step"] == 0.5
    assert saved["actor_steps_per_second"] == pytest.approx(2 * saved["learner_steps_per_second"])


def test_tensorboard_has_the_rates_of_the_run_as_a_whole(folder, monkeypatch):
    monkeypatch.setattr("quinoa.launch.metrics.counter._RATES_S", 0.0)
    counter = Counter(folder, Budget(100))
    counter.save()
    report(counter, "a", actor_steps=10)
    report(counter, "learner", "learner", learner_steps=5)
    counter.save()
    counter.close()
    assert scalars(folder, UPDATES_PER_STEP)[0] == 0.5
    assert scalars(folder, ACTING_RATE)[0] > 0


def test_each_episode_of_an_evaluation_is_a_row_of_its_own(counter, folder):
    result = EvaluationResult(np.array([1.5, 2.5]), np.array([3, 4]))
    for actor_steps in (10, 20):
        row = evaluation_row(result, actor_steps, 5)
        report(counter, f"e{actor_steps}", "evaluator", rows=[row])
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
            report(counter, name, actor_steps=i + 1, rows=[{"x": float(i)}], first_row=i)

    threads = [threading.Thread(target=report_all, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.status().counts.actor_steps == 400
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


def test_a_file_with_other_columns_has_both_from_then_on(folder):
    """As of a run of an older version, or of an agent that measures something else now."""
    times = {"wall_time": 1.0, "actor_steps": 2, "learner_steps": 3}
    for metrics in ({"old": 4.0}, {"new": 5.0, "old": 6.0}, {"new": 7.0}):
        log = MetricsLog(folder)
        for _ in range(2):
            log.write("learner", {**times, **metrics})
        log.close()
    table = pd.read_csv(folder.metrics("learner"))
    assert table.columns.tolist() == [*times, "old", "new"]
    assert table["old"].fillna(0).tolist() == [4.0, 4.0, 6.0, 6.0, 0, 0]
    assert table["new"].fillna(0).tolist() == [0, 0, 5.0, 5.0, 7.0, 7.0]
    assert table["actor_steps"].tolist() == [2] * 6


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
    counter = Counter(folder, Budget(100), start)
    assert report(counter, "a").counts == start
    report(counter, "learner", "learner", learner_steps=21)
    answer = report(counter, "a", actor_steps=50, episodes=1)
    assert answer.counts == Counts(actor_steps=100, episodes=6, learner_steps=21)
    assert answer.is_over
    counter.close()


def test_a_second_counter_knows_what_the_first_was_told(folder):
    first = Counter(folder, Budget(100))
    row = {"episode_return": None}
    report(first, "gone", actor_steps=30, rows=[row])
    report(first, "learner", "learner", learner_steps=7)
    first.save()
    second = Counter(folder, Budget(100))
    # The answer had got lost: the row is reported again, and is written once.
    answer = report(second, "gone", actor_steps=30, rows=[row, row])
    assert answer.counts == Counts(actor_steps=30, learner_steps=7)
    assert report(second, "new", actor_steps=1).counts.actor_steps == 31
    second.close()
    assert len(pd.read_csv(folder.metrics("actor"), skip_blank_lines=False)) == 2
    assert not folder.counter.exists()


def test_a_learner_that_is_started_again_has_its_first_rows_written(counter, folder):
    for sender, steps in (("learner-1", 10), ("learner-2", 5)):
        for number in range(3):
            rows = [{"x": float(steps + number)}]
            counter.report(
                Report(sender, "learner", "learner", Counts(learner_steps=steps), rows, number)
            )
    # Its totals, on the other hand, take the place of those of the one before.
    assert counter.status().counts.learner_steps == 5
    counter.save()
    assert pd.read_csv(folder.metrics("learner"))["x"].tolist() == [10, 11, 12, 5, 6, 7]


def warnings_of(node: str, count: int) -> list[str]:
    """Lines of which the first says 1, and so on."""
    return [
        events.line(EventKind.PARAMETERS_OLD, node, count=number + 1) for number in range(count)
    ]


def recorded(folder: RunFolder) -> list[tuple[str, int]]:
    """Which nodes' warnings are in the log."""
    lines = map(json.loads, folder.events.read_text().splitlines())
    return [
        (line["node"], line["count"]) for line in lines if line["event"] == EventKind.PARAMETERS_OLD
    ]


def test_events_are_written_at_once_and_each_once(counter, folder):
    first, second, third = warnings_of("actor-0", 3)
    for _ in range(2):
        report(counter, "a", events=[first, second])
        assert folder.events.read_text().splitlines() == [first, second]
    # The answers to the first two got lost; they come again with the next one.
    report(counter, "a", events=[first, second, third])
    report(counter, "b", "evaluator", events=warnings_of("evaluator-0", 1))
    (fourth,) = warnings_of("actor-0", 1)
    report(counter, "a", events=[fourth], first_event=3)
    assert recorded(folder) == [
        ("actor-0", 1),
        ("actor-0", 2),
        ("actor-0", 3),
        ("evaluator-0", 1),
        ("actor-0", 1),
    ]


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_second_counter_loses_no_event_and_writes_none_again(folder, is_saved):
    one, two, three = warnings_of("actor-0", 3)
    first = Counter(folder, Budget(100))
    first.report(Report("a", "a", "actor", events=[one]))
    if is_saved:
        first.save()
    # It is killed here, before the answer to this comes, or once it is written and has come.
    first.report(Report("a", "a", "actor", events=[two], first_event=1))
    second = Counter(folder, Budget(100))
    second.report(Report("a", "a", "actor", events=[two, three], first_event=1))
    second.report(Report("a", "a", "actor", events=[three], first_event=2))
    second.close()
    assert recorded(folder) == [("actor-0", 1), ("actor-0", 2), ("actor-0", 3)]


def test_an_event_that_found_no_room_is_written_when_there_is(small_disk, capsys):
    folder = RunFolder(small_disk)
    counter = Counter(folder, Budget(100))
    report(counter, "a", events=warnings_of("actor-0", 1))
    ballast = fill(small_disk)
    later = [events.line(EventKind.PARAMETERS_OLD, "actor-1", count=1, text="x" * 10_000)]
    report(counter, "b", events=later)
    assert not counter.save()
    assert recorded(folder) == [("actor-0", 1)]
    assert "make room" in capsys.readouterr().err
    ballast.unlink()
    assert counter.save()
    assert recorded(folder) == [("actor-0", 1), ("actor-1", 1)]
    counter.close()


def test_a_full_disk_costs_no_row_and_no_count(small_disk, capsys):
    folder = RunFolder(small_disk)
    counter = Counter(folder, Budget(10**6))

    def report_step(step: int) -> None:
        rows = [{"episode_return": float(step)}]
        answer = report(counter, "a", actor_steps=step + 1, rows=rows, first_row=step)
        assert answer.counts.actor_steps == step + 1

    for step in range(10):
        report_step(step)
    assert counter.save()
    ballast = fill(small_disk)
    for step in range(10, 1000):
        report_step(step)
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
    report_step(1000)
    counter.close()
    assert pd.read_csv(folder.metrics("actor"))["episode_return"].tolist() == list(range(1001))
    assert scalars(folder, "learning/actor_return") == list(range(1001))
    (event,) = map(json.loads, folder.events.read_text().splitlines())
    assert (event["event"], event["node"], event["lost"]) == ("disk_full", "counter", 0)
    assert event["seconds"] > 0


def test_a_counter_that_closes_on_a_full_disk_ends(small_disk, monkeypatch, capsys):
    monkeypatch.setattr("quinoa.launch.metrics.counter._CLOSE_S", 0.3)
    fill(small_disk)
    counter = Counter(RunFolder(small_disk), Budget(10))
    report(counter, "a", actor_steps=1, rows=[{"x": 1.0}])
    counter.close()
    assert "make room" in capsys.readouterr().err


def test_a_second_counter_mends_a_cut_row(folder):
    rows = [{"x": 1.0}, {"x": 2.0}]
    first = Counter(folder, Budget(100))
    report(first, "a", actor_steps=10, rows=rows)
    first.save()
    path = folder.metrics("actor")
    path.write_bytes(path.read_bytes()[:-3])
    second = Counter(folder, Budget(100))
    report(second, "b", actor_steps=5, rows=[{"x": 3.0}])
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
