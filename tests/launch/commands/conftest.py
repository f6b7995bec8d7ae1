from __future__ import annotations

import os
import sys

import pytest

from launch import cli
from tests.launch import runs


@pytest.fixture(autouse=True)
def same_environment_variables(monkeypatch):
    """What the command line does to its own process ends with the test."""
    for name, value in os.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def quinoa(capsys):
    """Runs a command; gives its status, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(arguments)
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """Makes, once, a run of an agent on an environment whose policy is far from its beginning."""
    made = {}

    def make(agent: str, environment: str):
        if (agent, environment) not in made:
            root = tmp_path_factory.mktemp("runs") / "run"
            made[agent, environment] = runs.make_run(root, environment, agent, moved=True)
        return made[agent, environment]

    return make
