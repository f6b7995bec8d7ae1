"""Which processes are forked, and what happens when there is nothing to fork them from."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import cloudpickle
import pytest

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.local.starter import Starter
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run.roles import Role
from tests.launch.helpers import ROOT, experiment, wait_until

# Without the name of the current test, which pytest keeps in a variable.
INHERITED = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def starter(tmp_path, notes) -> Iterator[Starter]:
    with warm_parent.started(INHERITED, ROOT) as parent:
        yield Starter(
            experiment(learner_threads=2),
            INHERITED,
            folder=ROOT,
            temporary=tmp_path,
            logs=tmp_path,
            network=(),
            warm=parent,
            give_up=lambda: False,
            on_loss=notes.append,
        )


@pytest.fixture
def run(starter, tmp_path) -> Iterator[Callable[[], LocalProcess]]:
    """Runs a process of an actor that does nothing, to its end."""
    with contextlib.ExitStack() as ending:

        def run() -> LocalProcess:
            data = tmp_path / "nothing.pickle"
            data.write_bytes(cloudpickle.dumps([lambda: None]))
            process = starter.start(NodeExecutable(Role.ACTOR, 0, data))
            ending.callback(process.kill)
            assert wait_until(lambda: process.exit_code is not None, 60)
            return process

        yield run


def test_those_that_use_tensorflow_as_the_warm_parent_does_are_forked(starter, tmp_path):
    forked = {role for role in KINDS if starter.is_forked(NodeExecutable(role, 0, tmp_path))}
    # The counter imports no TensorFlow.
    assert forked == set(KINDS) - {Role.COUNTER}


def test_nodes_are_executed_once_the_warm_parent_is_lost_and_that_is_told_once(starter, run, notes):
    assert run().exit_code == 0
    os.kill(starter.warm.pid, signal.SIGKILL)
    for _ in range(2):
        process = run()
        assert process.exit_code == 0, process.failure()
    (note,) = notes
    assert "import TensorFlow anew" in note
