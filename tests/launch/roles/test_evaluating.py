from __future__ import annotations

import json

import pytest

from quinoa.agents import registry
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles import role_warnings
from quinoa.launch.roles.evaluating import Evaluating
from quinoa.launch.run.reports import Answer, Report
from tests.launch.helpers import experiment


class Evaluator:
    """An evaluator's turns with all that they are given, and what it has reported."""

    def __init__(self, **changes):
        of = experiment(evaluation_period=100, evaluation_episodes=3, **changes)
        policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
        self.reports: list[Report] = []
        self.reporter = Reporter(self._report, "evaluator")
        self.evaluating = Evaluating(of, CompiledPolicy(policy), self.reporter)

    def _report(self, report: Report) -> Answer:
        self.reports.append(report)
        return Answer()

    def turn(self, actor_steps: int, *, stops: bool = False) -> bool:
        done = self.evaluating.turn(actor_steps, 5, lambda: stops)
        self.reporter.send()
        return done


@pytest.fixture
def evaluator(request):
    made = Evaluator(**getattr(request, "param", {}))
    yield made
    made.evaluating.close()


def test_it_is_due_at_once_and_then_past_each_multiple(evaluator):
    assert evaluator.evaluating.is_due(0)
    for steps, next_due in ((0, 100), (250, 300), (300, 400)):
        evaluator.turn(steps)
        assert not evaluator.evaluating.is_due(next_due - 1)
        assert evaluator.evaluating.is_due(next_due)


def test_a_turn_is_a_row_with_the_steps_that_it_was_given(evaluator):
    assert evaluator.turn(250)
    (row,) = evaluator.reports[-1].rows
    assert (row["actor_steps"], row["learner_steps"], row["episodes"]) == (250, 5, 3)
    assert row["episode_length"] == 10


def test_what_is_stopped_is_no_row_and_not_tried_again_at_once(evaluator):
    assert not evaluator.turn(250, stops=True)
    assert evaluator.reports[-1].rows == ()
    assert not evaluator.evaluating.is_due(299)


@pytest.mark.parametrize("evaluator", [{"max_episode_steps": 9}], indirect=True)
def test_an_evaluation_whose_episodes_do_not_end_says_so_while_it_lasts(evaluator, monkeypatch):
    monkeypatch.setattr(role_warnings, "_UNENDED_S", 0.0)
    monkeypatch.setattr(role_warnings, "_UNENDED_ACTIONS", 8)
    evaluator.turn(0)
    evaluator.turn(100)
    kinds = [json.loads(line)["event"] for report in evaluator.reports for line in report.events]
    assert kinds == ["no_episode_ended", "episode_truncated"]
    (first, _) = evaluator.reports[0].events
    assert "after 8 actions" in first and "each lasts 9 actions" in first


@pytest.mark.parametrize("evaluator", [{"max_episode_steps": 3}], indirect=True)
def test_warnings_go_with_the_reports(evaluator):
    evaluator.turn(0)
    (line,) = evaluator.reports[-1].events
    event = json.loads(line)
    assert (event["event"], event["node"]) == ("episode_truncated", "evaluator-0")
    assert evaluator.reports[-1].rows[0]["truncated_episodes"] == 3
