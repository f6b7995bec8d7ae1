"""A project of a user's own, whose files and folders have the names of ours, and of Python's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.launch import factories

AGENT, ENVIRONMENT = "agents.mine", "environments.mine:match"
_FILES = {
    "agents/__init__.py": "",
    "agents/mine.py": "from quinoa.agents.iq import Agent, Config",
    "environments/__init__.py": "",
    # It needs nothing of ours.
    "environments/mine.py": Path(factories.__file__).read_text(encoding="utf-8"),
    "launch.py": "raise SystemExit('the launch script of the user')",
    "tests/__init__.py": "raise SystemExit('the tests of the user')",
    "benchmarks/__init__.py": "raise SystemExit('the benchmarks of the user')",
}
# The program as it is installed: unlike `python -m`, it does not put the project on Python's path.
QUINOA = str(Path(sys.executable).with_name("quinoa"))


def write(folder: Path) -> Path:
    """Writes the project, with an agent and an environment of its own, into a new folder."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def variables() -> dict[str, str]:
    """Environment variables that do not name this repository either."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
