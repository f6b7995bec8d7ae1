from __future__ import annotations

import numpy as np
import pytest

from quinoa.agents import registry
from quinoa.agents.types import Transition
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.roles.divergence_guard import WINDOW_STEPS, DivergedError, DivergenceGuard
from quinoa.launch.run.counts import Counts
from tests.agents.fixtures import make_transitions
from tests.agents.learners import LearnerPool
from tests.launch.helpers import experiment

K = 50


def superbatch(num_bad: int = 0) -> Transition:
    made = make_transitions(K, 8, observation_size=2, action_size=1)
    made.reward[:num_bad, 0] = np.nan
    return made


class Watched:
    """A learner with its guard, and what that has said."""

    def __init__(self, folder, learner):
        self.learner = learner
        self.folder = folder
        self.said: list[tuple[str, str]] = []
        self.guard = DivergenceGuard(self.learner, folder, self._warn)

    def _warn(self, event, text, **details):
        self.said.append((event, text))

    def learn(self, calls: int, num_bad: int = 0) -> None:
        for _ in range(calls):
            self.learner.step(superbatch(num_bad))
            self.guard.inspect(superbatch(num_bad))

    def save(self) -> learner_checkpoints.Checkpoint:
        return learner_checkpoints.save(self.folder, self.learner, Counts())

    def state(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self.learner._float_variables]


WINDOW = WINDOW_STEPS // K


@pytest.fixture(scope="module")
def learners():
    return LearnerPool(experiment().spec())


@pytest.fixture
def watched(tmp_path, learners):
    learners.give_back()
    of = experiment()
    learner = learners.take(registry.load(of.agent).agent_class, of.config, seed=1)
    return Watched(tmp_path, learner)


def test_few_skipped_steps_are_said_once_and_lived_with(watched):
    watched.learn(2 * WINDOW, num_bad=K // 10)
    assert watched.learner.skipped_steps == 2 * WINDOW_STEPS // 10
    assert [event for event, _ in watched.said] == ["gradient_steps_skipped"]
    assert watched.guard.rollbacks == 0
    assert watched.guard.may_save


def test_too_many_have_it_go_back_once_to_all_that_was_saved(watched):
    watched.learn(1)
    checkpoint, saved = watched.save(), watched.state()
    watched.learn(WINDOW - 1)
    watched.learn(1)
    watched.learn(WINDOW - 2, num_bad=K // 10 + 1)
    assert not watched.guard.may_save
    assert watched.guard.rollbacks == 0
    watched.learn(1, num_bad=K // 10 + 1)
    assert watched.guard.rollbacks == 1
    assert watched.said[-1][0] == "rolled_back"
    assert str(checkpoint.path) in watched.said[-1][1]
    for old, new in zip(saved, watched.state(), strict=True):
        np.testing.assert_array_equal(old, new)
    # The count goes on: what follows has other random numbers.
    assert watched.learner.steps == 2 * WINDOW_STEPS
    # The same again, without having got on.
    with pytest.raises(
        DivergedError, match=r"160 of the last 1000 .*the batch's reward.* losses td"
    ):
        watched.learn(WINDOW, num_bad=8)


def test_variables_that_are_not_finite_have_it_go_back_at_once(watched):
    watched.save()
    slot = watched.learner._optimization.optimizers[0].variables()[-1]
    slot.assign(np.full(slot.shape, np.nan, np.float32))
    watched.learn(1)
    assert watched.guard.rollbacks == 1
    assert watched.learner.not_finite() == []
    slot.assign(np.full(slot.shape, np.nan, np.float32))
    with pytest.raises(DivergedError, match=f"{slot.name[:-2]} became NaN or infinite.*not helped"):
        watched.learn(1)


def test_without_a_checkpoint_it_is_an_error_at_once(watched):
    with pytest.raises(DivergedError, match=r"1000 of the last 1000 .*There is no checkpoint"):
        watched.learn(WINDOW, num_bad=K)


def test_once_it_has_got_on_it_may_go_back_again(watched):
    watched.learn(1)
    watched.save()
    watched.learn(WINDOW - 1, num_bad=K)
    assert watched.guard.rollbacks == 1
    watched.learn(WINDOW - 1)
    # A checkpoint made now could be one that leads to the same trouble.
    assert not watched.guard.may_save
    watched.learn(1)
    assert watched.guard.may_save
    later = watched.save()
    watched.learn(WINDOW, num_bad=K)
    assert watched.guard.rollbacks == 2
    assert str(later.path) in watched.said[-1][1]


def test_a_damaged_checkpoint_is_passed_over(watched):
    watched.learn(1)
    older, saved = watched.save(), watched.state()
    watched.learn(1)
    newer = watched.save()
    (newer.path / "policy.npy").write_bytes(b"")
    watched.learn(WINDOW, num_bad=K)
    assert str(older.path) in watched.said[-1][1]
    for old, new in zip(saved, watched.state(), strict=True):
        np.testing.assert_array_equal(old, new)
