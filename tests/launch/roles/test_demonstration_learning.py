import dataclasses
import itertools
from typing import Any

import pytest

from quinoa.agents import maxent_irl
from quinoa.launch.experiment import Experiment
from quinoa.launch.roles.demonstration_learning import DemonstrationLearning
from quinoa.launch.run.run_folder import RunFolder

OF = Experiment(
    agent="maxent_irl",
    agent_config=maxent_irl.Config(),
    environment="",
    demonstrations="roads:3x3",
    steps=500,
    evaluation_period=25,
)


class Agent:
    """Counts; what it measures is asked whether to stop once in each measurement."""

    measures = ("measured",)
    is_over = False

    def __init__(self, steps: int):
        self.steps = steps

    def gradient_step(self, before_each):
        before_each()
        self.steps += 1
        return {"step": float(self.steps)}

    def evaluate(self, before_each):
        before_each()
        return {"measured": float(self.steps)}


class Reporter:
    def __init__(self):
        self.rows: list[dict[str, Any]] = []

    def set_learner_steps(self, steps):
        assert steps >= 0

    def record(self, row):
        self.rows.append(row)


@pytest.fixture
def learning(tmp_path):
    def of(steps: int, **changes: Any):
        agent, reporter = Agent(steps), Reporter()
        experiment = dataclasses.replace(OF, **changes)
        folder = RunFolder(tmp_path / "run")
        return DemonstrationLearning(experiment, agent, folder, reporter), reporter  # type: ignore[arg-type]

    return of


def test_whatever_is_measured_has_a_row(learning):
    learner, reporter = learning(0)
    while not learner.is_over:
        learner.turn(lambda: False)
    steps = [row["step"] for row in reporter.rows]
    assert steps[:200] == list(range(1, 201))
    assert steps[200:] == sorted({*range(202, 401, 2), *range(404, 501, 4), *range(225, 501, 25)})
    measured = [row["measured"] for row in reporter.rows if row["measured"] is not None]
    assert measured == list(range(25, 501, 25))


def stops_at_the_second_time():
    asked = itertools.count(1)
    return lambda: next(asked) == 2


def test_a_stop_leaves_out_what_is_being_measured_but_at_the_end(learning):
    learner, reporter = learning(24)
    learner.turn(stops_at_the_second_time())
    assert [row["measured"] for row in reporter.rows] == [None]
    learner, reporter = learning(499)
    learner.turn(stops_at_the_second_time())
    assert learner.is_over
    assert [row["measured"] for row in reporter.rows] == [500.0]
