from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path

import launchpad as lp
import pytest

from quinoa.launch.engines import executables
from quinoa.launch.engines.base import Engine, ProcessContext
from quinoa.launch.engines.local.engine import LocalEngine
from quinoa.launch.engines.ray import connection
from quinoa.launch.engines.ray.engine import RayEngine, TooFewActors
from quinoa.launch.engines.settings import LocalSettings, RaySettings
from quinoa.launch.engines.supervision import Node
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from tests.launch.engines.fakes import FakeProcess
from tests.launch.helpers import experiment


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _same(process: FakeProcess) -> FakeProcess:
    return process


def actors(*pids: int) -> list[Node]:
    made = []
    for index, pid in enumerate(pids):
        process = FakeProcess(Role.ACTOR, index)
        process.pid = pid
        made.append(Node(functools.partial(_same, process), may_end=True))
    return [*made, Node(lambda: FakeProcess(Role.REPLAY), may_end=False)]


def test_too_few_actors_for_too_long_end_a_run(clock):
    problem = TooFewActors(min_actors=2, patience_s=30.0)
    few, enough = actors(7, 0, 0), actors(7, 8, 0)
    assert problem(few) is None
    clock[0] = 29.0
    assert problem(few) is None
    # Enough in between: the time starts anew.
    assert problem(enough) is None
    clock[0] = 31.0
    assert problem(few) is None
    clock[0] = 61.0
    assert problem(few) == (
        "Only 1 of 3 actors run, fewer than --min_actors=2 for 30 s: add hosts and resume the run."
    )


def test_actors_that_are_done_are_not_missing(clock):
    problem = TooFewActors(min_actors=2, patience_s=0.0)
    nodes = actors(7, 8)
    for node in nodes[:2]:
        vars(node.process)["exit_code"] = RUN_IS_OVER
    assert problem(nodes) is None


def test_by_default_a_run_waits_for_hosts_for_ever(clock):
    problem = TooFewActors(min_actors=0, patience_s=0.0)
    clock[0] = 1e9
    assert problem(actors(0, 0)) is None


class _Written(Exception):
    """Carries the program that an engine is about to start."""

    def __init__(self, program: lp.Program):
        super().__init__()
        self.program = program


def program_of(engine: Engine, folder: RunFolder, monkeypatch) -> lp.Program:
    """The program that an engine would run."""

    def write(program: lp.Program, to: Path) -> None:
        del to
        raise _Written(program)

    monkeypatch.setattr(executables, "write", write)
    with pytest.raises(_Written) as caught:
        engine.run(experiment(num_actors=3), folder, lambda status: None)
    return caught.value.program


def test_the_program_is_that_of_the_local_engine(tmp_path, monkeypatch):
    """The same nodes, which do the same with the same arguments, but for the services' ports."""
    folder = RunFolder(tmp_path)
    monkeypatch.setattr(connection, "connected", lambda address: contextlib.nullcontext())
    context = ProcessContext({})
    ray = program_of(RayEngine(context, RaySettings()), folder, monkeypatch)
    local = program_of(
        LocalEngine(context, LocalSettings(private_network=False)), folder, monkeypatch
    )
    assert list(ray.groups) == list(local.groups)
    for label in local.groups:
        for mine, other in zip(ray.groups[label], local.groups[label], strict=True):
            assert type(mine) is type(other)
            assert mine._constructor is other._constructor
            for argument, same in zip(mine._args, other._args, strict=True):
                assert argument == same or type(argument) is type(same) is FixedAddresses
