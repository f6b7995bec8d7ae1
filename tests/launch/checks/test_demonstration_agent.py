from __future__ import annotations

from quinoa.agents import maxent_irl
from quinoa.launch.checks import demonstration_agent
from quinoa.launch.checks.base import Finding, run_checks
from quinoa.launch.checks.demonstration_agent import CHECKS, DemonstrationSubject

ROADS = "roads:3x3,routes=10,destinations=2,shortest=2,costs=0.5"


def findings(agent_class: type[maxent_irl.Agent]) -> list[Finding]:
    found: list[Finding] = []
    subject = DemonstrationSubject(agent_class, maxent_irl.Config(), ROADS, 0)
    run_checks(CHECKS, subject, found.append)
    return found


def test_ours_passes():
    found = findings(maxent_irl.Agent)
    assert len(found) == len(demonstration_agent.CHECKS)
    assert all(finding.error is None for finding in found)


def test_what_is_wrong_is_found():
    class Forgets(maxent_irl.Agent):
        measures = ("accuracy",)

        def state(self):
            state = dict(super().state())
            return {name: value[:1] for name, value in state.items()}

        def evaluate(self, before_each):
            return {"precision": 1.0}

        def gradient_step(self, before_each):
            found = super().gradient_step(before_each)
            self.steps -= 1
            return found

    errors = [finding.error or "" for finding in findings(Forgets)]
    assert errors[:2] == ["", "steps is 0 after 3 gradient steps: add 1 in gradient_step."]

    class Counts(Forgets):
        def gradient_step(self, before_each):
            return maxent_irl.Agent.gradient_step(self, before_each)

    errors = [finding.error or "" for finding in findings(Counts)]
    assert errors[1] == errors[3] == ""
    assert "evaluate gives precision, and measures says held_out" in errors[2]
    assert "have state give all that" in errors[4]
