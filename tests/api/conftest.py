from __future__ import annotations

import os
import sys

import pytest

from quinoa.launch import cli


@pytest.fixture
def quinoa_command(capsys, monkeypatch):
    """Runs a command in a program that knows no environments of other ones' runs."""
    from quinoa import run

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(run, "_objects", {})
        status = cli.main(arguments)
        return status, *capsys.readouterr()

    for name, value in os.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return command
