from __future__ import annotations

import time

import pytest

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.metrics.reporter import BackgroundReporter, Reporter
from quinoa.launch.run.counts import ACTOR_STEPS
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import wait_until


@pytest.fixture
def counter(tmp_path):
    made = Counter(RunFolder(tmp_path), steps=100)
    yield made
    made.close()


def test_sends_totals_and_rows_once(counter, tmp_path):
    reporter = Reporter(counter.report, "actor")
    reporter.add(ACTOR_STEPS, 3)
    reporter.add(ACTOR_STEPS, 4)
    reporter.record({"x": 1.0})
    reporter.send()
    reporter.send()
    reporter.record({"x": 2.0})
    reporter.send()
    assert reporter.count(ACTOR_STEPS) == 7
    counter.save()
    assert len(RunFolder(tmp_path).metrics("actor").read_text().splitlines()) == 3


def test_two_reporters_add_up_and_one_of_a_name_replaces(counter):
    for _ in range(2):
        reporter = Reporter(counter.report, "actor")
        reporter.add(ACTOR_STEPS, 5)
        reporter.send()
    assert reporter.count(ACTOR_STEPS) == 10
    for total in (20, 30):
        reporter = Reporter(counter.report, "learner", source="learner")
        reporter.set_total("learner_steps", total)
        reporter.send()
    assert reporter.count("learner_steps") == 30


def test_reports_in_the_background_and_hears_when_to_stop(counter):
    reporter = BackgroundReporter(counter.report, "actor", period_s=0.01)
    assert not reporter.stop
    reporter.add(ACTOR_STEPS, 100)
    assert wait_until(lambda: reporter.stop, timeout_s=5)
    reporter.close()


def test_what_is_left_is_sent_at_the_end(counter):
    reporter = BackgroundReporter(counter.report, "actor", period_s=1e6)
    reporter.add(ACTOR_STEPS, 8)
    reporter.close()
    assert counter.status()[ACTOR_STEPS] == 8


def test_adding_never_waits_for_the_counter(counter):
    def slow_report(*arguments):
        time.sleep(0.5)
        return counter.report(*arguments)

    reporter = BackgroundReporter(slow_report, "actor", period_s=0.01)
    time.sleep(0.05)
    start = time.monotonic()
    for _ in range(1000):
        reporter.add(ACTOR_STEPS, 1)
        assert not reporter.stop
    assert time.monotonic() - start < 0.25
    reporter.close()
    assert counter.status()[ACTOR_STEPS] == 1000


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
        reporter.add(ACTOR_STEPS, 1)
        reporter.record({"x": float(i)})
        time.sleep(0.01)
    # On a busy machine the thread that reports comes to it late, and closing is no time to fail.
    wait_until(lambda: not failures, 60)
    reporter.close()
    assert counter.status()[ACTOR_STEPS] == 10
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
