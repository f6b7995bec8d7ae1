from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quinoa.agents import registry
from quinoa.environments import plugins
from quinoa.launch import cli
from quinoa.launch.run.run_folder import RunFolder
from tests.docs import fences
from tests.launch.helpers import ROOT

AGENT = ROOT / "docs" / "tutorials" / "your_agent.md"
ENVIRONMENT = ROOT / "docs" / "tutorials" / "your_environment.md"
PAGES = pytest.mark.parametrize("page", [AGENT, ENVIRONMENT], ids=lambda page: page.stem)

# What makes each command of the pages one of seconds; what is given last holds.
SMALL = ["--set=hidden_sizes=8", "--set=batch_size=8"]
SHORTER = {
    "check": ["--seconds=0"],
    "train": [
        *("--engine=serial", "--steps=300", "--set=min_replay_size=200", "--steps_per_call=5"),
        "--samples_per_insert=16",
        *("--evaluation_episodes=1", "--max_episode_steps=50", *SMALL),
    ],
    "evaluate": ["--episodes=1"],
}


def _shorter(name: str, page: Path, command: str) -> list[str]:
    """Flags that make a command short; those of settings only where it does not give them."""
    # So small a network follows the rewards within the steps of the check at a higher rate only.
    of_check = [*SMALL, "--set=learning_rate=1e-2"]
    flags = SHORTER[name] + (of_check if name == "check" and page == AGENT else [])
    settings = [flag for flag in flags if flag.startswith("--set=")]
    given = [s for s in settings if s.removeprefix("--set=").split("=")[0] + "=" in command]
    return [flag for flag in flags if flag not in given]


@pytest.fixture
def project(page: Path, tmp_path, monkeypatch) -> Iterator[Path]:
    """A folder with the page's files, entered; what the command line changes ends with the test."""
    assert fences.write_files(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before, modules = dict(os.environ), set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("my_agents", "my_tasks"):
            del sys.modules[name]
    os.environ.clear()
    os.environ.update(before)


@PAGES
def test_its_code_has_fewer_than_a_hundred_lines(page):
    (code,) = (block for block in fences.fences(page) if block.language == "python")
    assert 30 < len(code.text.splitlines()) < 100


@pytest.mark.long
@PAGES
def test_every_command_does_what_it_says(page, project, capsys):
    done = []
    for command in fences.to_run(page):
        program, name, *arguments = shlex.split(command)
        assert program == "quinoa"
        status = cli.main([name, *arguments, *_shorter(name, page, command)])
        printed = capsys.readouterr()
        assert status == 0, (command, printed)
        assert "warning" not in printed.err.lower()
        done.append(name)
        if name == "check":
            assert "FAILED" not in printed.out
            # The page shows what is printed, but for numbers and the run of a minute.
            shown = next(block for block in fences.fences(page) if block.language == "text").text
            expected = [line for line in shown.splitlines() if "short run" not in line]
            found = printed.out.splitlines()
            assert [line.partition("(")[0] for line in found[:-1]] == [
                line.partition("(")[0] for line in expected[:-1]
            ]
    assert {"check", "train", "evaluate"} <= set(done)


@pytest.mark.parametrize(
    ("page", "group", "name"),
    [(AGENT, plugins.AGENTS, "td3"), (ENVIRONMENT, plugins.ENVIRONMENTS, "rail")],
    ids=["your_agent", "your_environment"],
)
def test_the_package_that_it_describes_gives_the_name(page, project, group, name, monkeypatch):
    assert plugins.find(group, name) is None
    site = project / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--disable-pip-version-check", f"--target={site}", "."),
        ],
        check=True,
        capture_output=True,
        cwd=project,
        timeout=120,
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    plugin = plugins.find(group, name)
    assert plugin is not None
    assert plugin.package == page.stem.replace("your_", "my-").replace("agent", "agents").replace(
        "environment", "tasks"
    )
    if group == plugins.AGENTS:
        assert registry.load(name).agent_class is registry.load(plugin.path).agent_class


@pytest.mark.slow
@pytest.mark.timeout(1800)
@PAGES
def test_a_run_in_processes_of_its_own_learns(page, project, capsys):
    """The check as the page gives it, then whole runs that reach what the page says."""
    check = next(c for c in fences.to_run(page) if " check " in c)
    assert cli.main([*shlex.split(check)[1:], "--seconds=20"]) == 0, capsys.readouterr()
    train = next(c for c in fences.to_run(page) if " train " in c)
    assert cli.main([*shlex.split(train)[1:], "--folder=learned"]) == 0
    table = pd.read_csv(RunFolder(Path("learned")).metrics("evaluator"))
    returns = table["episode_return"].to_numpy()
    best, first = np.max(returns[-5:]), returns[0]
    assert best > (900 if page == AGENT else max(2 * first, 80)), returns
