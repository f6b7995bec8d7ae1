from __future__ import annotations

import dataclasses
import time

import pytest

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.metrics.reporter import BackgroundReporter, Reporter
from quinoa.launch.run import events
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.reports import Answer
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import wait_until


@pytest.fixture
def counter(tmp_path):
    made = Counter(RunFolder(tmp_path), Budget(100))
    yield made
    made.close()


def test_sends_totals_and_rows_once(counter, tmp_path):
    reporter = Reporter(counter.report, "actor")
    reporter.add(3)
    reporter.add(4)
    reporter.record({"x": 1.0})
    reporter.send()
    reporter.send()
    reporter.record({"x": 2.0})
    reporter.send()
    assert reporter.counts.actor_steps == 7
    counter.save()
    assert len(RunFolder(tmp_path).metrics("actor").read_text().splitlines()) == 3


def test_two_reporters_add_up_and_one_of_a_name_replaces(counter):
    for _ in range(2):
        reporter = Reporter(counter.report, "actor")
        reporter.add(5)
        reporter.send()
    assert reporter.counts.actor_steps == 10
    for total in (20, 30):
        reporter = Reporter(counter.report, "learner", source="learner")
        reporter.set_learner_steps(total)
        reporter.send()
    assert reporter.counts.learner_steps == 30


def test_reports_in_the_background_and_hears_when_to_stop(counter):
    reporter = BackgroundReporter(counter.report, "actor", period_s=0.01)
    assert not reporter.stop
    reporter.add(100)
    assert wait_until(lambda: reporter.stop, timeout_s=5)
    reporter.close()


def test_the_first_report_is_sent_at_once(counter):
    reporter = BackgroundReporter(counter.report, "actor", period_s=1e6)
    assert wait_until(lambda: reporter.wait_for_answer(lambda: True), timeout_s=5)
    reporter.close()


def test_the_first_report_of_a_learner_takes_no_steps_back(counter):
    before = Reporter(counter.report, "learner", source="learner")
    before.set_learner_steps(20)
    before.send()
    first = []

    def report(sent):
        first.append(sent.totals.learner_steps)
        return counter.report(sent)

    reporter = BackgroundReporter(
        report, "learner", source="learner", learner_steps=18, period_s=1e6
    )
    assert wait_until(lambda: reporter.wait_for_answer(lambda: True), timeout_s=5)
    assert first == [18]
    assert reporter.counts.learner_steps == 18
    reporter.close()


def test_what_is_left_is_sent_at_the_end(counter):
    reporter = BackgroundReporter(counter.report, "actor", period_s=1e6)
    reporter.add(8)
    reporter.close()
    assert counter.status().counts.actor_steps == 8


def test_adding_never_waits_for_the_counter(counter):
    def slow_report(*arguments):
        time.sleep(0.5)
        return counter.report(*arguments)

    reporter = BackgroundReporter(slow_report, "actor", period_s=0.01)
    time.sleep(0.05)
    start = time.monotonic()
    for _ in range(1000):
        reporter.add(1)
        assert not reporter.stop
    assert time.monotonic() - start < 0.25
    reporter.close()
    assert counter.status().counts.actor_steps == 1000


def test_a_counter_that_fails_for_a_while_loses_nothing(counter, tmp_path):
    failures = [True] * 5

    def unsteady_report(*arguments):
        # The answer gets lost half of the time, the question the other half.
        if failures:
            failures.pop()
            counter.report(*arguments)
            raise TimeoutError("no answer")
        return counter.report(*arguments)

    reporter = BackgroundReporter(unsteady_report, "actor", period_s=0.01)
    for i in range(10):
        reporter.add(1)
        reporter.record({"x": float(i)})
        time.sleep(0.01)
    # On a busy machine the thread that reports comes to it late, and closing is no time to fail.
    wait_until(lambda: not failures, 60)
    reporter.close()
    assert counter.status().counts.actor_steps == 10
    counter.save()
    assert len(RunFolder(tmp_path).metrics("actor").read_text().splitlines()) == 11


def test_a_counter_that_is_gone_is_an_error_after_a_while():
    def lost(*arguments):
        raise TimeoutError("nobody there")

    reporter = BackgroundReporter(lost, "actor", period_s=0.01, patience_s=0.2)
    assert not reporter.stop

    def raises() -> bool:
        try:
            return reporter.stop
        except ConnectionError as error:
            assert "nobody there" in str(error)
            return True

    assert wait_until(raises, timeout_s=5)
    with pytest.raises(ConnectionError):
        reporter.close()


def test_a_last_report_that_fails_is_an_error():
    def lost(*arguments):
        raise TimeoutError("nobody there")

    reporter = BackgroundReporter(lost, "actor", period_s=1e6)
    with pytest.raises(ConnectionError, match="the last report: nobody there"):
        reporter.close()


def events_in(folder: RunFolder) -> list[str]:
    return folder.events.read_text().splitlines() if folder.events.is_file() else []


def test_an_event_is_sent_at_once_and_written_once(counter, tmp_path):
    answers = iter([False, True])

    def unsteady_report(report):
        answer = counter.report(report)
        if report.events and not next(answers, True):
            raise TimeoutError("no answer")
        return answer

    reporter = BackgroundReporter(unsteady_report, "actor", period_s=1e6)
    # As an environment may say it: Courier would not send it, were it not escaped.
    line = events.line(EventKind.PARAMETERS_OLD, "actor-0", text="\udcff")
    assert line.isascii()
    reporter.add_event(line)
    assert wait_until(lambda: events_in(RunFolder(tmp_path)) == [line], timeout_s=10)
    reporter.close()
    assert events_in(RunFolder(tmp_path)) == [line]


def test_what_fails_has_its_last_warnings_sent_and_stays_the_error(counter, tmp_path):
    line = events.line(EventKind.PARAMETERS_OLD, "actor-0")
    with (
        pytest.raises(ZeroDivisionError),
        BackgroundReporter(counter.report, "actor", period_s=1e6) as reporter,
    ):
        reporter.add(5, 1)
        Reporter.add_event(reporter, line)
        raise ZeroDivisionError
    assert events_in(RunFolder(tmp_path)) == [line]
    assert counter.status().counts.actor_steps == 5


def test_what_fails_without_a_counter_stays_the_error():
    def lost(report):
        raise TimeoutError("nobody there")

    with pytest.raises(ZeroDivisionError), BackgroundReporter(lost, "actor", period_s=1e6):
        raise ZeroDivisionError


def test_what_ends_well_without_a_counter_is_an_error():
    def lost(report):
        raise TimeoutError("nobody there")

    with (
        pytest.raises(ConnectionError, match="nobody there"),
        BackgroundReporter(lost, "actor", period_s=1e6),
    ):
        pass


def test_it_reports_as_seldom_as_the_counter_wants(counter):
    periods = iter([0.0, *[1e6] * 100])
    reports = []

    def send(report):
        reports.append(report)
        return dataclasses.replace(counter.report(report), period_s=next(periods))

    reporter = BackgroundReporter(send, "actor", period_s=0.01)
    assert wait_until(lambda: len(reports) == 2, timeout_s=5)
    time.sleep(0.1)
    assert len(reports) == 2
    # An event is sent at once even so, and what is left at the end.
    reporter.add_event(events.line(EventKind.EPISODE_DROPPED, "actor-0"))
    assert wait_until(lambda: len(reports) == 3, timeout_s=5)
    reporter.close()
    assert len(reports) == 4


def test_the_learners_steps_go_on_between_two_answers_that_are_far_apart(monkeypatch):
    now, steps = [1000.0], [0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    reporter = Reporter(
        lambda report: Answer(Counts(learner_steps=steps[0]), period_s=4.0), "actor"
    )
    assert reporter.learner_steps == 0
    reporter.send()
    now[0], steps[0] = 1004.0, 40
    assert reporter.learner_steps == 0
    reporter.send()
    assert reporter.learner_steps == 40
    now[0] = 1006.0
    assert reporter.learner_steps == 60
    # No further than to the next answer, which may not come.
    now[0] = 1100.0
    assert reporter.learner_steps == 80
    # One that stands still, or was restarted from a checkpoint.
    for done in (40, 10):
        steps[0] = done
        reporter.send()
        now[0] += 4.0
        assert reporter.learner_steps == done
    assert reporter.counts.learner_steps == 10
