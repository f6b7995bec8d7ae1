from __future__ import annotations

import dataclasses
import time

import pytest

from quinoa.agents import protocol, sac
from quinoa.agents.policies import TanhGaussianPolicy
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment, validation
from quinoa.launch.experiment.validation import validate
from tests.launch.factories import Match, match
from tests.launch.helpers import FromDemonstrations, experiment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": "control:cartpole:swingupp"}, "Did you mean control:cartpole:swingup"),
        ({"environment": "tests.launch.factories:fails_at_once"}, "ZeroDivisionError: the factory"),
        ({"environment": "tests.launch.factories:fails_in_its_first_step"}, "own error"),
        ({"environment": "tests.launch.factories:nothing"}, "has no nothing"),
        ({"agent": "no_such_agent"}, "no agent 'no_such_agent'"),
        (
            {"agent_config": FromDemonstrations(), "samples_per_insert": None},
            "learns from demonstrations alone: give some, --demonstrations=FILE",
        ),
        (
            {
                "agent_config": FromDemonstrations(),
                "samples_per_insert": None,
                "demonstrations": "a.npz",
            },
            "acts in no environment: leave --env=.*match out",
        ),
        ({"demonstrations": "a.npz"}, "a.npz' is the name of no dataset"),
        ({"steps": 500}, "ends before the first gradient step"),
        # 100 are in replay then, and 2560 more make the 2560 samples of one call due.
        (
            {
                "steps": 2600,
                "samples_per_insert": 1.0,
                "agent_config": protocol.OffPolicyConfig(batch_size=256, min_replay_size=100),
            },
            "2660 transitions by then .min_replay_size and .* steps_per_call times batch_size over",
        ),
        # 2 actors, 100 environments each, segments of 16 steps.
        ({"steps": 3200, "environments_per_actor": 100}, "ends before the first gradient step"),
    ],
)
def test_what_cannot_run_is_found_before_it_is_started(changes, message):
    with pytest.raises(ExperimentError, match=message) as raised:
        validate(experiment(**changes))
    assert "\n" not in str(raised.value)


def slow(seed: int) -> Match:
    time.sleep(0.5)
    return match(seed)


def test_what_takes_long_is_said_and_called_where_it_can_be_ended(monkeypatch):
    monkeypatch.setattr(validation, "_SLOW_S", 0.1)
    said: list[str] = []
    tried: list[str] = []

    def call(what, function):
        tried.append(what)
        return function(said.append)

    name = f"{__name__}:slow"
    validate(experiment(environment=name), call=call)
    doing = f"Making, resetting and stepping the environment {name}"
    assert tried == [doing, "Making the agent for a trial"]
    assert f"quinoa: note: {doing} takes more than 0.1 s; Ctrl-C ends it." in said


def test_what_can_run_is_let_through():
    validate(experiment(environment="control:cartpole:balance"))


class Unknown(TanhGaussianPolicy):
    """A policy that declares no NumPy form."""


class WithUnknown(sac.Agent):
    """SAC with it."""

    @staticmethod
    def make_policy(config, spec):
        """See the base class."""
        return Unknown(spec.observations.shape[0], spec.actions.shape[0], hidden_sizes=(8,))


def test_pink_noise_is_refused_before_the_start_where_actors_cannot_draw_with_it(monkeypatch):
    monkeypatch.setattr(Experiment, "agent_class", lambda self: WithUnknown)
    config = sac.Config(hidden_sizes=(8,), batch_size=8, min_replay_size=100)
    with_pink = dataclasses.replace(config, action_noise="pink")
    pink = experiment(agent="sac", agent_config=with_pink)
    with pytest.raises(
        ExperimentError, match="'white', as the policy has no numpy_form of its own"
    ):
        validate(pink)
    validate(dataclasses.replace(pink, agent_config=config))
