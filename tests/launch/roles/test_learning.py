from __future__ import annotations

import dataclasses
import json
import time
import types
from typing import Any

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.metrics.reporter import Reporter
from quinoa.launch.roles.divergence_guard import DivergedError
from quinoa.launch.roles.learning import Learning, make_learner
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.reports import Answer, Report
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.agents.fixtures import make_transitions
from tests.agents.learners import LearnerPool
from tests.launch.helpers import experiment

K = 10
OF = experiment(steps_per_call=K, checkpoint_period_s=1e-9)
LEARNERS = LearnerPool(OF.spec())


@pytest.fixture(autouse=True)
def _learners_are_taken_for_one_test():
    LEARNERS.give_back()


def superbatch():
    return make_transitions(K, 8, observation_size=2, action_size=1)


class Learned:
    """A learner's turns with all that they are given, and what has come of them."""

    def __init__(self, root, publish_period_s: float = 0.0):
        self.folder = RunFolder(root)
        agent_class = registry.load(OF.agent).agent_class
        self.learner = LEARNERS.take(agent_class, OF.learner_config, OF.seed_of(Role.LEARNER))
        self.published: list[int] = []
        self.reports: list[Report] = []
        self.reporter = Reporter(self._report, "learner")
        self.learning = Learning(
            OF,
            self.learner,
            self.folder,
            self.reporter,
            counts=lambda: Counts(actor_steps=7),
            publish=lambda: self.published.append(self.learner.steps),
            publish_period_s=publish_period_s,
        )

    def _report(self, report: Report) -> Answer:
        self.reports.append(report)
        return Answer()

    def spoil(self) -> None:
        """Makes a variable NaN that no gradient step moves."""
        slot = self.learner._optimization.optimizers[0].variables()[-1]
        slot.assign(np.full(slot.shape, np.nan, np.float32))

    def rows(self):
        self.reporter.send()
        return self.reports[-1].rows


def test_each_turn_is_counted_checked_and_published_where_no_time_is_to_pass(tmp_path):
    learned = Learned(tmp_path)
    assert learned.learning.turn(superbatch())
    assert learned.learning.turn(superbatch())
    assert learned.published == [K, 2 * K]
    assert learned.learning.steps == learned.learner.steps == 2 * K
    learned.reporter.send()
    assert learned.reports[-1].totals == Counts(learner_steps=2 * K)


def test_nothing_is_published_before_its_time_nor_what_has_diverged_ever(tmp_path):
    early = Learned(tmp_path, publish_period_s=1e6)
    assert not early.learning.turn(superbatch())
    assert early.published == []
    diverged = Learned(tmp_path)
    diverged.spoil()
    with pytest.raises(DivergedError, match="no checkpoint to go back to"):
        diverged.learning.turn(superbatch())
    assert diverged.published == []


def test_what_was_learned_last_is_published_where_nothing_more_comes(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    learned = Learned(tmp_path, publish_period_s=1.0)
    now[0] += 1.0
    # Three superbatches at once: the first is published.
    assert [learned.learning.turn(superbatch()) for _ in range(3)] == [True, False, False]
    for seconds in (0.0, 1.5):
        now[0] += seconds
        learned.learning.publish_last()
        assert learned.published == [K]
    now[0] += 0.6
    learned.learning.publish_last()
    assert learned.published == [K, 3 * K]
    now[0] += 100.0
    learned.learning.publish_last()
    assert learned.published == [K, 3 * K]


def test_what_was_learned_last_is_checked_before_it_is_saved(tmp_path):
    learned = Learned(tmp_path, publish_period_s=1e6)
    learned.learning.turn(superbatch())
    learned.learning.end()
    assert learner_checkpoints.newest(learned.folder.checkpoints).counts() == Counts(
        actor_steps=7, learner_steps=K
    )
    learned.spoil()
    learned.learning.turn(superbatch())
    # It goes back to the checkpoint, and that is what is saved.
    learned.learning.end()
    events = [json.loads(line) for line in learned.folder.events.read_text().splitlines()]
    assert (events[-1]["event"], events[-1]["node"]) == ("rolled_back", "learner-0")
    assert learned.learner.not_finite() == []


def test_rows_are_of_what_came_since_the_last_one(tmp_path):
    learned = Learned(tmp_path)
    learned.learning.record()
    assert learned.rows() == ()
    learned.learning.turn(superbatch())
    learned.learning.fill.see(80, 100)
    learned.learning.save_if_due()
    learned.learning.record()
    (row,) = learned.rows()
    assert (row["learner_steps"], row["replay_size"], row["waiting"]) == (K, 80, 0.0)
    assert np.isfinite(row["loss"])
    assert row["checkpoint_seconds"] > 0
    learned.learning.record()
    assert learned.rows()[0]["checkpoint_seconds"] == 0


def test_a_learner_begins_from_a_checkpoint(tmp_path):
    learned = Learned(tmp_path)
    learned.learning.turn(superbatch())
    learned.learning.save_if_due()
    checkpoint = learner_checkpoints.newest(learned.folder.checkpoints)
    again = make_learner(OF, OF.spec(), checkpoint)
    assert again.steps == K
    np.testing.assert_array_equal(again.parameters(), learned.learner.parameters())


def test_networks_of_another_run_are_kept_by_a_run_that_ended_before_it_learned(tmp_path):
    config = OF.learner_config
    first = LEARNERS.take(registry.load(OF.agent).agent_class, config, seed=1)
    for variable in first.agent.variables:
        variable.assign_add(np.full(variable.shape, 0.1, np.float32))
    of = dataclasses.replace(OF, init_from=first.save(str(tmp_path / "first")), init_part="critic")
    one = make_learner(of, of.spec(), None)
    checkpoint: Any = types.SimpleNamespace(learner_prefix=one.save(str(tmp_path / "one")))
    again = make_learner(of, of.spec(), checkpoint)
    batch = superbatch()
    for learner in (one, again):
        learner.step(batch._replace(reward=np.full_like(batch.reward, np.nan)))
    for ours, theirs in zip(again.agent.variables, one.agent.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(one.agent._value.variables, first.agent._value.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
