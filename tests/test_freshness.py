"""On-policy runs learn from what was acted with the parameters that a gradient step begins with."""

from __future__ import annotations

import itertools
import signal
import sys
from pathlib import Path

import pytest

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.engines import make
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.run_folder import RunFolder
from tests.agents import versioned_a2c
from tests.launch.helpers import experiment, nodes_of, started, wait_until

CHOOSE = "tests.launch.factories:choose"
UNHURRIED = "tests.launch.factories:choose_unhurried"
AGENT = "tests.agents.versioned_a2c"


def assert_fresh(steps: list[versioned_a2c.Step]) -> None:
    """That each batch is of one version, that of the parameters before the step."""
    stale = [step for step in steps if not step.oldest == step.newest == step.number - 1]
    assert not stale


@pytest.mark.long
def test_every_segment_is_fresh_though_an_actor_and_the_learner_are_killed(tmp_path, monkeypatch):
    root, versions = tmp_path / "run", tmp_path / "versions"
    monkeypatch.setenv(versioned_a2c.VERSIONS_FILE, str(versions))
    command = [
        *(sys.executable, "-m", "quinoa.launch.cli", "train", f"--folder={root}"),
        *(f"--agent={AGENT}", f"--env={UNHURRIED}", "--steps=10000000", "--num_actors=2"),
        "--checkpoint_period=1",
    ]

    def steps() -> list[versioned_a2c.Step]:
        return versioned_a2c.steps_in(versions.read_text()) if versions.exists() else []

    def does_more(number: int = 20) -> bool:
        done = len(steps())
        return wait_until(lambda: len(steps()) >= done + number, 90)

    with started(command, is_forked=True) as process:
        assert does_more(), process.poll()
        for name in ("actor-1", "learner-0"):
            (node,) = (of for of in nodes_of(root) if f"/{name}.error" in " ".join(of.cmdline()))
            node.kill()
            assert wait_until(lambda: node not in nodes_of(root), 5)  # noqa: B023 - at once
            assert does_more(), (name, process.poll())
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = steps()
    assert_fresh(found)
    by_learner = [list(of) for _, of in itertools.groupby(found, lambda step: step.learner)]
    assert len(by_learner) == 2
    for of in by_learner:
        # None is left out.
        assert [step.number for step in of] == list(range(of[0].number, of[0].number + len(of)))
    # The second begins with what the first had saved.
    assert 1 < by_learner[1][0].number <= by_learner[0][-1].number + 1


def run(root: Path, versions: Path, monkeypatch) -> RunFolder:
    """A run in one process."""
    monkeypatch.setenv(versioned_a2c.VERSIONS_FILE, str(versions))
    config = versioned_a2c.Config(hidden_sizes=(16,), batch_size=40)
    of = experiment(
        agent=AGENT,
        agent_config=config,
        environment=CHOOSE,
        samples_per_insert=None,
        steps_per_call=1,
        steps=800,
        evaluation_period=10**6,
    )
    folder = RunFolder(root)
    folder.create()
    result = make("serial", ProcessContext({})).run(of, folder, lambda status: None)
    assert result.outcome is Outcome.FINISHED
    return folder


def test_in_one_process_too_and_twice_the_same_bit_for_bit(tmp_path, monkeypatch):
    parameters = []
    for name in ("one", "other"):
        versions = tmp_path / f"{name}.txt"
        folder = run(tmp_path / name, versions, monkeypatch)
        steps = versioned_a2c.steps_in(versions.read_text())
        assert_fresh(steps)
        # Each transition is learned from once: two actors' eight environments, five steps each.
        assert [step.number for step in steps] == list(range(1, 1 + 800 // 40))
        checkpoint = learner_checkpoints.newest(folder.checkpoints)
        parameters.append(checkpoint.policy_parameters().tobytes())
    assert parameters[0] == parameters[1]


def test_a_stale_batch_would_be_found():
    fresh, stale = versioned_a2c.Step(1, 5, 4, 4), versioned_a2c.Step(1, 6, 4, 5)
    assert_fresh([fresh])
    with pytest.raises(AssertionError):
        assert_fresh([fresh, stale])
