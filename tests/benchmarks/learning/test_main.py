import pytest

from benchmarks.learning import __main__ as main
from benchmarks.learning.curve import Evaluation
from benchmarks.learning.systems import Setting

SETTING = Setting("gym:A", 0, 300, 100, 1)


class Learner:
    """A system that is evaluated once a minute."""

    name = "A learner"

    def __init__(self):
        self.is_running = False

    def steps(self, updates):
        return updates

    def learn(self, setting):
        self.is_running = True
        try:
            for i in range(setting.steps // setting.period + 1):
                yield Evaluation(60.0 * i, i * setting.period, 1.0)
        finally:
            self.is_running = False


@pytest.mark.parametrize(("minutes", "steps"), [(float("inf"), 300), (2.0, 200), (1.5, 200)])
def test_a_run_ends_at_its_last_step_or_is_stopped_after_the_minutes(minutes, steps):
    learner = Learner()
    curve = main._learned(learner, SETTING, minutes)  # type: ignore[arg-type]
    assert curve.evaluations[-1].steps == steps
    assert not learner.is_running
