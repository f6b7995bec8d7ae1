from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.agents.compiled_policy import CompiledPolicy
from quinoa.agents.config import SampledConfig
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.parameters import ParameterClient
from quinoa.agents.replay import MemoryReplay
from quinoa.agents.rows import RowLayout
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.acting import Acting
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.reports import Answer, Report
from tests.launch.helpers import experiment, replay_config, wait_until

LEARNER_STEPS = 100


class Actor:
    """An actor's turns with all that they are given, and what it has reported."""

    def __init__(self, *, version: int | None = None, **changes):
        of = experiment(**changes)
        policy = registry.load(of.agent).agent_class.make_policy(of.config, of.spec())
        self.reports: list[Report] = []
        self.reporter = Reporter(self._report, "actor")
        self.reporter.send()
        self.replay = MemoryReplay(replay_config(of), RowLayout(of.spec()), seed=0)
        parameters = None
        if version is not None:
            answer = version, flatten(policy)
            parameters = ParameterClient(lambda known: answer, CompiledPolicy(policy).assign)
            assert wait_until(lambda: parameters.wait_for_first(lambda: False), 10)
        self.acting = Acting(
            of,
            2,
            CompiledPolicy(policy),
            of.make_environments(4, "actor"),
            self.replay,
            self.reporter,
            parameters=parameters,
        )

    def _report(self, report: Report) -> Answer:
        self.reports.append(report)
        return Answer(Counts(learner_steps=LEARNER_STEPS))

    def take(self, turns: int) -> Report:
        """So many turns; what is reported of them."""
        for _ in range(turns):
            self.acting.turn()
        self.acting.record()
        self.reporter.send()
        return self.reports[-1]


@pytest.fixture
def actor(request):
    made = Actor(**getattr(request, "param", {}))
    yield made
    made.acting.close()


def test_every_turn_is_counted_and_written_and_measured(actor):
    # Episodes of 10 steps in 4 environments.
    report = actor.take(25)
    assert report.totals == Counts(actor_steps=100, episodes=8)
    assert actor.replay.num_inserted == 100
    (row,) = report.rows
    assert (row["actor"], row["episodes"], row["episode_length"]) == (2, 8, 10.0)
    assert row["parameter_age"] == row["stale_steps"] == 0
    assert report.events == ()
    assert actor.take(5).rows[0]["episodes"] == 4


def test_it_draws_actions_with_the_noise_that_the_experiment_asks_for(monkeypatch):
    def changes(noise):
        """How far actions of an environment are from the ones before, in the mean."""
        config = experiment().config
        assert isinstance(config, SampledConfig)
        config = dataclasses.replace(config, action_noise=noise)
        actions = []
        with monkeypatch.context() as patch:
            patch.setattr(MemoryReplay, "append", lambda self, t, valid=None: actions.append(t))
            actor = Actor(agent_config=config)
            for _ in range(300):
                actor.acting.turn()
            actor.acting.close()
        return np.abs(np.diff([each.action for each in actions], axis=0)).mean()

    assert changes("pink") < 0.7 * changes("white")


def test_without_a_turn_there_is_no_row(actor):
    assert actor.take(0).rows == ()
    actor.take(1)
    assert actor.take(0).rows == ()


@pytest.mark.parametrize(
    ("actor", "stale_steps"),
    [
        ({"version": 40, "max_parameter_age": 60}, 0),
        ({"version": 39, "max_parameter_age": 60}, 8),
    ],
    indirect=["actor"],
)
def test_parameters_are_as_old_as_the_run_has_learned_since(actor, stale_steps):
    report = actor.take(2)
    assert report.rows[0]["stale_steps"] == stale_steps
    assert report.rows[0]["parameter_age"] in (60, 61)
    # Said when they become so, and not at each turn.
    kinds = [json.loads(line)["event"] for line in report.events]
    assert kinds == ["parameters_old"] * bool(stale_steps)


@pytest.mark.parametrize("actor", [{"actor_episode_steps": 3}], indirect=True)
def test_no_warning_of_episodes_that_were_to_be_cut_off(actor):
    report = actor.take(9)
    assert report.rows[0]["truncated_episodes"] > 0
    assert not report.events


@pytest.mark.parametrize("actor", [{"max_episode_steps": 3}], indirect=True)
def test_warnings_go_with_the_reports(actor, capsys):
    (line,) = actor.take(9).events
    event = json.loads(line)
    assert (event["event"], event["node"]) == ("episode_truncated", "actor-2")
    assert "quinoa: note: actor-2: an episode was cut off" in capsys.readouterr().err
