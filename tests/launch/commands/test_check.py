from __future__ import annotations

import pytest

from quinoa.agents import registry
from quinoa.launch.checks import (
    agent,
    demonstration_agent,
    demonstration_run,
    environment,
    short_run,
)
from quinoa.launch.checks.base import Check
from quinoa.launch.checks.matching import DEFAULT_ENVIRONMENT, FINITE_ENVIRONMENT

DISCRETE = "tests.agents.tiny_discrete"


@pytest.fixture(autouse=True)
def no_checks(monkeypatch):
    """Here it is asked what is checked, not how."""
    monkeypatch.setattr(agent, "CHECKS", ())
    monkeypatch.setattr(environment, "CHECKS", ())
    run: Check[short_run.ShortRun] = Check(
        "a short run", lambda subject: f"of {subject.agent} on {subject.environment}"
    )
    monkeypatch.setattr(short_run, "CHECK", run)


@pytest.mark.parametrize(
    ("name", "environment"), [("iq", DEFAULT_ENVIRONMENT), (DISCRETE, FINITE_ENVIRONMENT)]
)
def test_an_agent_is_checked_on_an_environment_whose_actions_it_takes(quinoa, name, environment):
    status, out, err = quinoa("check", name)
    assert (status, err) == (0, "")
    assert out.startswith(f"Checking the agent {name} on {environment}\n")
    assert f"of {name} on {environment}" in out


@pytest.mark.parametrize(
    ("name", "environment", "message"),
    [
        ("sac", FINITE_ENVIRONMENT, "takes actions from a box "),
        (DISCRETE, DEFAULT_ENVIRONMENT, "takes actions from a finite set, "),
    ],
)
def test_a_pair_that_does_not_fit_is_one_sentence(quinoa, name, environment, message):
    status, out, err = quinoa("check", name, f"--env={environment}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"The agent {name} cannot be made for {environment}: This agent {message}" in err


def test_an_environment_is_run_with_an_agent_that_takes_its_actions(quinoa, monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: [("sac", ""), (DISCRETE, "")])
    for name, of in (
        (DEFAULT_ENVIRONMENT, registry.DEFAULT_AGENT),
        ("toy:FrozenLake-v1", DISCRETE),
    ):
        status, out, err = quinoa("check", name)
        assert (status, err) == (0, "")
        assert f"ok      a short run (of {of} on {name})" in out.splitlines()


def test_an_agent_without_actors_is_run_on_its_demonstrations(quinoa, monkeypatch):
    monkeypatch.setattr(demonstration_agent, "CHECKS", ())
    run: Check[demonstration_run.DemonstrationRun] = Check(
        "a short run", lambda subject: f"of {subject.demonstrations} with {subject.settings}"
    )
    monkeypatch.setattr(demonstration_run, "CHECK", run)
    given = ("check", "maxent_irl", "--demonstrations=roads:3x3", "--set=held_out=0")
    status, out, err = quinoa(*given)
    assert (status, err) == (0, "")
    assert "ok      a short run (of roads:3x3 with ('held_out=0',))" in out.splitlines()
    _, out, _ = quinoa(*given, "--seconds=0")
    assert "a short run" not in out


def test_where_there_is_no_such_agent_that_is_said(quinoa, monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: [("sac", "")])
    status, out, err = quinoa("check", "toy:FrozenLake-v1")
    assert (status, err) == (0, "")
    assert "note    no short run follows, as no built-in agent takes a finite set" in out
    assert "ok " not in out
    _, out, _ = quinoa("check", "toy:FrozenLake-v1", "--seconds=0")
    assert "note" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([DEFAULT_ENVIRONMENT, "--set=learning_rate=1"], "an environment make no use of --set"),
        ([DEFAULT_ENVIRONMENT, "--env=a"], "an environment make no use of --env"),
        (["iq", "--demonstrations=a.npz"], "an agent with actors make no use of --demonstrations"),
        (["maxent_irl", "--action_repeat=2"], "an agent without actors make no use of --action"),
    ],
)
def test_a_flag_that_is_of_no_use_is_refused(quinoa, arguments, message):
    status, out, err = quinoa("check", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
