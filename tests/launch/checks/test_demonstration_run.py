from __future__ import annotations

import os
import shutil

import pytest

from quinoa.launch.checks import demonstration_run
from quinoa.launch.checks.base import Finding, run_check
from quinoa.launch.checks.demonstration_run import DemonstrationRun
from tests.launch.helpers import ROOT

ROADS = "roads:3x3,routes=10,destinations=2,shortest=2,costs=0.5"


def found(agent: str, *settings: str) -> Finding:
    subject = DemonstrationRun(
        agent=agent,
        demonstrations=ROADS,
        seconds=3.0,
        inherited=dict(os.environ),
        settings=settings,
        folder=ROOT,
    )
    return run_check(demonstration_run.CHECK, subject)


@pytest.mark.long
def test_an_agent_that_is_killed_and_continues_passes():
    # Batches, so that it does not end by itself.
    finding = found("maxent_irl", "optimizer=exponentiated_gradient", "batch_size=3")
    assert finding.error is None
    assert finding.remark.endswith("gradient steps, killed once")


@pytest.mark.slow
def test_one_that_forgets_what_it_has_learned_does_not():
    settings = ("optimizer=exponentiated_gradient", "batch_size=3")
    error = found("tests.launch.checks.forgetful", *settings).error
    assert error is not None
    message, _, kept = error.partition(" (the run is kept in ")
    assert "has other weights than one that was not" in message
    shutil.rmtree(kept.rstrip(")"))


@pytest.mark.slow
def test_what_cannot_run_is_one_sentence():
    error = found("maxent_irl", "held_out=0.99").error
    assert error is not None
    message, _, kept = error.partition(" (the run is kept in ")
    assert message.startswith("the run ended with status 2 by itself: quinoa: held_out = 0.99 ")
    shutil.rmtree(kept.rstrip(")"))
