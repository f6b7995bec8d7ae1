from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
import pytest

from quinoa import environments
from quinoa.agents.config import OffPolicyConfig
from quinoa.config.fields import Bounds
from quinoa.environments import CanonicalEnvironment, EnvironmentFault
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.roles import Role
from tests.launch.factories import Match
from tests.launch.helpers import experiment, replay_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_actors": 0}, "num_actors = 0 cannot work"),
        ({"environments_per_actor": 0}, "environments_per_actor = 0"),
        ({"steps": 0}, "steps = 0"),
        ({"steps_per_call": 0}, "steps_per_call = 0"),
        ({"action_repeat": 0}, "action_repeat = 0"),
        ({"evaluation_period": 0}, "evaluation_period = 0"),
        ({"evaluation_episodes": 0}, "evaluation_episodes = 0"),
        ({"learner_threads": 0}, "learner_threads = 0"),
        ({"max_episode_steps": 0}, "max_episode_steps = 0"),
        ({"max_parameter_age": 0}, "max_parameter_age = 0"),
        ({"actor_episode_steps": 0}, "actor_episode_steps = 0"),
        ({"samples_per_insert": -1.0}, "samples_per_insert = -1.0"),
        ({"samples_per_insert": float("nan")}, "samples_per_insert = nan"),
        ({"checkpoint_period_s": 0.0}, "checkpoint_period_s = 0.0"),
        ({"checkpoint_period_s": float("inf")}, "checkpoint_period_s = inf"),
        ({"replay_checkpoint_period_s": -1.0}, "replay_checkpoint_period_s = -1.0"),
        ({"replay_checkpoint_period_s": float("nan")}, "replay_checkpoint_period_s = nan"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**31}, "seed = 2147483648"),
    ],
)
def test_a_field_that_cannot_work_is_refused(changes, message):
    with pytest.raises(ExperimentError, match=message):
        experiment(**changes)


def test_a_schedule_of_learning_rates_needs_a_known_number_of_gradient_steps():
    config = dataclasses.replace(experiment().learner_config, learning_rate_schedule="linear")
    assert experiment(agent_config=config).gradient_steps == 1000
    with pytest.raises(
        ExperimentError, match=r"learning_rate_schedule = 'linear' cannot work.*samp"
    ):
        experiment(agent_config=config, samples_per_insert=0.0)


def test_samples_per_insert_overrides_the_agents_own():
    assert replay_config(experiment(samples_per_insert=3.0)).samples_per_insert == 3.0
    own = experiment(samples_per_insert=None)
    assert own.config == own.agent_config


def test_environments_get_seeds_that_a_c_int_holds(monkeypatch):
    seeds = []

    def make(name, seed, **_):
        seeds.append(seed)
        return CanonicalEnvironment(Match(0, fails_after=0))

    monkeypatch.setattr(environments, "make", make)
    batch = experiment().make_environments(200, "actor")
    # A replacement's too.
    monkeypatch.setattr(Match, "reset", lambda self: None)
    with pytest.raises(EnvironmentFault):
        batch.reset()
    assert len(set(seeds)) == len(seeds) == 201
    assert all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds)
    # They use what there is.
    assert max(seeds) > 2**30


@dataclasses.dataclass(frozen=True)
class Narrow(OffPolicyConfig):
    samples_per_insert: Annotated[float, Bounds(at_least=0, at_most=2)] = 1.0


def test_what_the_agents_own_class_refuses_is_refused():
    with pytest.raises(ExperimentError, match=r"samples_per_insert = 3.0 .* in \[0, 2\]"):
        experiment(agent_config=Narrow(), samples_per_insert=3.0)


def test_every_node_has_a_seed_of_its_own():
    def seeds(of: Experiment) -> list[int]:
        return [of.seed_of(role, i) for role in ("actor", "learner", "a") for i in range(5)]

    first = seeds(experiment())
    assert len(set(first)) == 15
    assert first == seeds(experiment())
    assert not set(first) & set(seeds(experiment(seed=1)))
    assert all(0 <= seed < 2**31 for seed in first)


def test_environments_of_a_batch_differ_and_can_be_made_again():
    def observations(role: str, index: int) -> np.ndarray:
        batch = experiment().make_environments(3, role, index)
        try:
            return batch.reset()
        finally:
            batch.close()

    once = observations("actor", 0)
    assert len({row.tobytes() for row in once}) == 3
    np.testing.assert_array_equal(once, observations("actor", 0))
    assert not np.isin(once[:, 0], observations("actor", 1)[:, 0]).any()
    assert not np.isin(once[:, 0], observations("evaluator", 0)[:, 0]).any()


def test_evaluates_twenty_times_by_default():
    assert experiment(steps=1000).steps_between_evaluations == 50
    assert experiment(steps=7).steps_between_evaluations == 1
    assert experiment(evaluation_period=33).steps_between_evaluations == 33


def test_an_experiment_is_a_value():
    assert dataclasses.replace(experiment()) == experiment()
    with pytest.raises(dataclasses.FrozenInstanceError):
        experiment().steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("limits", "of_actors", "of_evaluators"),
    [
        ({"max_episode_steps": 3, "actor_episode_steps": 2}, 2, 3),
        ({"max_episode_steps": 2, "actor_episode_steps": 3}, 2, 2),
        ({"max_episode_steps": 2}, 2, 2),
    ],
)
def test_actors_episodes_may_be_shorter(limits, of_actors, of_evaluators):
    def length(role: Role) -> int:
        batch = experiment(**limits).make_environments(1, role)
        batch.reset()
        lengths = (n for n in range(1, 9) if batch.step(np.zeros((1, 1))).truncated)
        return next(lengths)

    assert length(Role.ACTOR) == of_actors
    assert length(Role.EVALUATOR) == of_evaluators


def test_environments_end_at_the_limit_and_are_made_anew_when_broken(monkeypatch):
    batch = experiment(max_episode_steps=3).make_environments(2, "actor")
    first = batch.reset()
    ends = [batch.step(np.zeros((2, 1))).truncated for _ in range(3)]
    assert ends == [(), (), (0, 1)]
    broken = batch.environments[0].inner

    def fail():
        raise OSError("gone")

    monkeypatch.setattr(broken, "reset", fail)
    again = batch.reset()
    assert batch.environments[0].inner is not broken
    # With a seed of its own.
    assert len({row.tobytes() for row in (*first, *again)}) == 4
    (fault,) = batch.step(np.zeros((2, 1))).faults
    assert "OSError: gone" in str(fault)
    batch.close()
