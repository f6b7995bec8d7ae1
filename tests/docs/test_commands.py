from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quinoa.agents import registry
from quinoa.launch import cli
from quinoa.launch.commands.running.new_experiment import make_experiment
from tests.docs import fences
from tests.launch.helpers import ROOT

RUN = [page for page in fences.pages() if fences.to_run(page)]


def test_there_are_commands_to_look_at():
    assert sum(1 for page in fences.pages() for _ in fences.words_after("quinoa", page)) >= 20
    assert len(RUN) >= 3


@pytest.mark.parametrize("page", fences.pages(), ids=fences.name)
def test_every_command_of_a_page_exists_with_its_flags(page, tmp_path, monkeypatch):
    fences.write_files(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    built_in = {name for name, _ in registry.names()}
    for name, *arguments in fences.words_after("quinoa", page):
        if name == "--help":
            continue
        assert name in cli._COMMANDS or name == "COMMAND", f"quinoa {name}"
        if name == "COMMAND" or "--help" in arguments:
            continue
        values = cli._COMMANDS[name].flags()
        cli._parse(name, values, arguments)
        known = name == "train" and (values.agent is None or values.agent in built_in)
        if known and values.resume is None:
            # With a preset and settings that exist. NAME=VALUE stands for one.
            values["set"].value = [text for text in values.set if not text.startswith("NAME")]
            make_experiment(values, {})


@pytest.mark.parametrize("page", fences.pages(), ids=fences.name)
def test_everything_that_a_page_makes_can_be_made(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in fences.words_after("make", page):
        for target in words:
            assert "=" in target or target in targets, f"make {target}"


def test_commands_stand_in_fences_that_say_so():
    """All but forms with [WHAT MAY BE GIVEN], and what shows answers and begins with a prompt."""
    for page in fences.pages():
        for fence in fences.fences(page):
            if fence.language != "sh":
                typed = r"^([A-Z_]+=\S+ )*(\S*/)?(make|pip|python|quinoa|tensorboard) [^\[\n]*$"
                assert not re.search(typed, fence.text, re.MULTILINE), f"{page}: {fence.text}"


def test_a_page_says_why_commands_are_not_run():
    for page in fences.pages():
        for fence in fences.fences(page):
            if "no-run" in fence.info:
                reason = fence.info.partition("no-run")[2].strip(" :")
                assert len(reason) > 5, f"{page}: {fence.text}"


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """A short run, for the pages that are of runs and call theirs runs/RUN."""
    folder = tmp_path_factory.mktemp("made")
    flags = "--steps=3000 --evaluation_period=1000 --evaluation_episodes=2 --folder=run"
    _type(f"quinoa train --engine=serial --env=control:cartpole:balance {flags}", folder)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", RUN, ids=fences.name)
def test_the_commands_of_a_page_work_as_printed(page, tmp_path, request):
    """As a new user would, who writes its files and types its commands, in an empty folder."""
    commands = fences.to_run(page)
    if any("runs/RUN" in command for command in commands) or page.stem == "plot":
        shutil.copytree(request.getfixturevalue("a_run"), tmp_path / "runs" / "RUN")
    fences.write_files(page, tmp_path)
    for command in commands:
        _type(command, tmp_path)


def _type(command: str, folder: Path) -> None:
    """Types a command, which is to work without a warning."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for name in ("TF_CPP_MIN_LOG_LEVEL", "GRPC_VERBOSITY", "MUJOCO_GL"):
        environment.pop(name, None)  # Of tests/conftest.py, and not of a new user.
    done = subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    for line in (*done.stdout.splitlines(), *done.stderr.splitlines()):
        assert not re.search(r"warning|traceback", line, re.IGNORECASE), f"{command}\n{line}"


def test_what_the_page_of_list_shows_is_what_list_shows(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["list"]) == 0
    printed = capsys.readouterr().out
    page = ROOT / "docs/commands/list.md"
    shown, settings = [f for f in fences.fences(page) if f.language == "text"]
    assert not set(shown.text.splitlines()) - {*printed.splitlines(), "  ..."}
    # Of the environments it leaves most out, and of agents and presets none.
    whole, _, _ = printed.partition("Environments (--env):")
    assert shown.text.startswith(whole)
    assert cli.main(["list", "m_iq"]) == 0
    assert capsys.readouterr().out.startswith(settings.text)
