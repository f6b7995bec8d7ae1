from __future__ import annotations

import os
import sys

import pytest

from quinoa.launch import cli
from tests.launch.disks import mounted


@pytest.fixture(autouse=True)
def no_lines_of_progress(monkeypatch):
    """What commands say does not depend on how long they take."""
    monkeypatch.setattr("quinoa.launch.terminal.progress_bar.LINE_S", float("inf"))


@pytest.fixture(autouse=True)
def able_terminal(monkeypatch):
    """What a test says is a terminal can move its cursor."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk") as folder:
        yield folder
