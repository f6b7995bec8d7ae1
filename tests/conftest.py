"""Set before any test imports TensorFlow: quiet logs, one thread a pool, no rendering.

And no garbage collection of what test modules import: to walk through its million objects, time and
again, would take a tenth of all the time that the tests take.
"""

from __future__ import annotations

import gc
import os

import pytest

from quinoa.launch.machine import lean_imports

gc.disable()
# As in the processes of a run: TensorFlow does not bring JAX with it.
lean_imports.install()

for name, value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "MUJOCO_GL": "disable",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}.items():
    os.environ.setdefault(name, value)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, so that no worker is left alone with one at the end."""
    long = {item.path for item in items if item.get_closest_marker("long") is not None}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """Every module has been imported: the collector works on what the tests make.

    A trace makes fifty thousand objects, most of which stay: they are looked at less often than
    usual.
    """
    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _graphs_run_as_they_are_traced(request):
    """TensorFlow does not rewrite a graph before it first runs, a fifth of what a trace costs.

    What a graph gives is the same up to rounding. Marked modules, and runs in processes that are
    executed and not forked (tests/launch/forked.py), have graphs as users do.
    """
    from quinoa.agents import graphs

    as_in_use = request.node.get_closest_marker("optimized_graphs") is not None
    with graphs.run_as_traced(not as_in_use):
        yield


@pytest.fixture(scope="session")
def _learners_of_runs():
    from tests.agents.learners import LearnersOfRuns

    return LearnersOfRuns()


_LEARNER = "quinoa.launch.roles.learning.Learner"


@pytest.fixture
def shared_learners(_learners_of_runs, monkeypatch):
    """Runs of the serial engine in this process learn with graphs that earlier ones have traced.

    For tests of what is around a learner. Those of what it learns, and that it is the same each
    time, are to have learners that are new. A module of which each test uses it has its fixtures of
    the module's scope use it too.
    """
    monkeypatch.setattr(_LEARNER, _learners_of_runs)


@pytest.fixture(autouse=True, scope="module")
def _learners_are_shared_in_a_module(request):
    used = [name for mark in request.node.iter_markers("usefixtures") for name in mark.args]
    with pytest.MonkeyPatch.context() as patch:
        if "shared_learners" in used:
            patch.setattr(_LEARNER, request.getfixturevalue("_learners_of_runs"))
        yield
