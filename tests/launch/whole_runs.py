"""What holds of every run of the local engine while it lasts, and when it has ended in order."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from quinoa.launch import resume
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.run import process_list
from quinoa.launch.run.process_list import NodeState
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from tests.launch.helpers import (
    has_tensorflow,
    learner_steps,
    listening_here,
    listening_ports,
    nodes_of,
    wait_until,
)


@contextlib.contextmanager
def ended_in_order(
    root: Path, process: subprocess.Popen[str], temporary: Path, *, is_private: bool
) -> Iterator[None]:
    """A run whose process is to end within the context, and with it all that belongs to the run.

    Args:
        root: the run's folder.
        process: that of `quinoa train`.
        temporary: what it has for TMPDIR.
        is_private: whether it is in a network of its own.
    """
    folder = RunFolder(root)
    assert wait_until(lambda: learner_steps(root) > 50), process.poll()
    # The engine lists a node as running at its first beat, which it may see after the first steps.
    assert wait_until(lambda: states_of(folder) == {NodeState.RUNNING}), states_of(folder)
    listed = read_json(folder.processes)
    assert listed["pid"] == process.pid
    assert {node["pid"] for node in listed["nodes"]} == {node.pid for node in nodes_of(root)}
    # All were forked from one that has it.
    assert all(map(has_tensorflow, nodes_of(root)))
    ports = ports_of(root)
    assert len(ports) >= 3  # replay, counter, learner
    assert ports & listening_here() == (set() if is_private else ports)
    before = learner_steps(root)
    yield
    assert process.poll() is not None
    assert not nodes_of(root)
    assert not list(temporary.iterdir())
    with resume.locked(folder):
        pass
    if not is_private:
        assert not ports & listening_here()
    assert learner_checkpoints.newest(folder.checkpoints).counts().learner_steps >= before
    assert read_json(folder.result)["outcome"] == "stopped"


def states_of(folder: RunFolder) -> set[NodeState]:
    """The states in which a run's list of processes has its nodes."""
    return {node.state for node in process_list.read(folder.processes).nodes}


def ports_of(root: Path) -> set[int]:
    """The ports that the nodes of a run listen on."""
    return {port for node in nodes_of(root) for port in listening_ports(node)}
