"""Which processes are forked, and what happens when there is nothing to fork them from."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import cloudpickle
import numpy as np
import pytest

from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.local.starter import Starter
from quinoa.launch.nodes.host_parameters import SharedMemory
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run.roles import Role
from tests.launch import forked
from tests.launch.helpers import ROOT, experiment, wait_until

# Without the name of the current test, which pytest keeps in a variable.
INHERITED = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}


@pytest.fixture(scope="module", autouse=True)
def warm_parents_are_forked():
    """And so there at once; test_warm_parent.py has an executed one."""
    with forked.starting(warm_parent):
        yield


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def starter(tmp_path, notes) -> Iterator[Starter]:
    with (
        warm_parent.started(INHERITED, ROOT) as parent,
        contextlib.closing(SharedMemory()) as parameters,
    ):
        yield Starter(
            experiment(learner_threads=2),
            INHERITED,
            folder=ROOT,
            temporary=tmp_path,
            logs=tmp_path,
            network=(),
            parameters=parameters.descriptor,
            warm=parent,
            give_up=lambda: False,
            on_loss=notes.append,
        )


@pytest.fixture
def run(starter, tmp_path) -> Iterator[Callable[..., LocalProcess]]:
    """Runs a process of an actor to its end; by default one that does nothing."""
    with contextlib.ExitStack() as ending:

        def run(function: Callable[[], object] = lambda: None) -> LocalProcess:
            data = tmp_path / "function.pickle"
            data.write_bytes(cloudpickle.dumps([function]))
            process = starter.start(NodeExecutable(Role.ACTOR, 0, data))
            ending.callback(process.kill)
            assert wait_until(lambda: process.exit_code is not None, 60)
            return process

        yield run


def test_all_are_forked(starter, tmp_path):
    forked = {role for role in KINDS if starter.is_forked(NodeExecutable(role, 0, tmp_path))}
    assert forked == set(KINDS)


def _show_parameters() -> None:
    """Prints the version that an actor of this host gets; the learner has that of the process."""
    from quinoa.launch.nodes import host_parameters

    get = host_parameters.for_all_of_the_host(
        lambda known: (os.getpid(), np.ones(3, np.float32)), period_s=1000.0
    )
    newest = get(-1)
    assert newest is not None
    print(newest[0])


def test_nodes_are_executed_once_the_warm_parent_is_lost_and_that_is_told_once(starter, run, notes):
    """Forked or executed, all actors have the parameters that the first one has got."""
    first = run(_show_parameters)
    assert first.log.read_text().split() == [str(first.pid)]
    os.kill(starter.warm.pid, signal.SIGKILL)
    for _ in range(2):
        executed = run(_show_parameters)
        assert executed.exit_code == 0, executed.failure()
    assert executed.log.read_text().split() == [str(first.pid)] * 3
    (note,) = notes
    assert "import TensorFlow anew" in note
