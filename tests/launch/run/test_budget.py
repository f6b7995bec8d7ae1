import dataclasses

import pytest

from quinoa.launch.metrics.counter import Counter
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import ACTOR_STEPS, Counts
from quinoa.launch.run.reports import Report
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.helpers import FromDemonstrations, experiment

COUNTS = Counts(actor_steps=100, learner_steps=7)


@pytest.mark.parametrize(
    ("budget", "done", "is_spent"),
    [
        (Budget(100), 100, True),
        (Budget(101), 100, False),
        (Budget(7, "learner_steps"), 7, True),
        (Budget(8, "learner_steps"), 7, False),
    ],
)
def test_is_spent_by_the_steps_of_its_unit(budget, done, is_spent):
    assert budget.done(COUNTS) == done
    assert budget.is_spent(COUNTS) is is_spent


@pytest.mark.parametrize(
    ("steps", "unit", "message"),
    [(0, ACTOR_STEPS, "at least 1 step"), (5, "episodes", "in actor_steps or learner_steps")],
)
def test_what_cannot_be_is_refused(steps, unit, message):
    with pytest.raises(ValueError, match=message):
        Budget(steps, unit)


def test_a_learner_without_actors_has_its_own_steps(tmp_path):
    of = experiment(steps=20)
    assert of.budget == Budget(20, "actor_steps")
    alone = dataclasses.replace(of, agent_config=FromDemonstrations(), samples_per_insert=None)
    assert alone.budget == Budget(20, "learner_steps")
    counter = Counter(RunFolder(tmp_path), alone.budget)
    for steps in (19, 20):
        report = Report("learner", "learner", "learner", Counts(learner_steps=steps))
        assert counter.report(report).is_over is (steps == 20)
    counter.close()
