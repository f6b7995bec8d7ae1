"""The scripts, in the shells that they are for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quinoa.launch import cli
from quinoa.launch.commands.completion import answers
from tests.launch.written_runs import write_run

SHELLS = ("bash", "zsh", "fish")
# Calls the function as bash does, but for what a terminal is needed for.
BASH = """
compopt() { echo "compopt $*"; }
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE} COMPREPLY=()
    _quinoa quinoa
    printf '<%s>' "${COMPREPLY[@]}"
    echo
done
"""
# zsh's own functions of these names work within its editor alone.
ZSH = """
compdef() { }
eval "$(quinoa completion zsh)"
compset() { print "compset $*"; }
_describe() { print -r -- "${(P@)4}" "${@:5}"; }
for PREFIX in "$@"; do
    words=(quinoa train "$PREFIX") CURRENT=3
    _quinoa
done
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a script in a shell, in a folder with a run, with `quinoa` in the path."""
    write_run(tmp_path / "runs" / "my run")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def in_shell(*command: str) -> list[str]:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return in_shell


def installed(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_defines_what_the_shell_calls_and_says_how_to_turn_it_on(shell):
    text = answers.script(shell)
    assert f"quinoa completion {shell}" in text
    assert f"{cli._COMPLETE} {shell} " in text
    assert {
        "bash": "\ncomplete -F _quinoa quinoa\n",
        "zsh": "\n    compdef _quinoa quinoa\n",
        "fish": "\ncomplete -c quinoa -f -a '(__quinoa_complete)'\n",
    }[shell] in text


def test_zsh_reads_from_the_first_line_of_a_file_what_it_is_for():
    assert answers.script("zsh").startswith("#compdef quinoa\n")


@pytest.mark.parametrize("shell", [pytest.param(name, marks=installed(name)) for name in SHELLS])
def test_the_shell_can_read_the_script(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(answers.script(shell))
    subprocess.run([shell, "-n", str(script)], check=True, capture_output=True, timeout=30)


def test_bash(run):
    lines = [
        "quinoa tra",
        "quinoa train --ag",
        "quinoa train --env=control:walker:",
        'quinoa train --env="control:walker:wa',
        "quinoa status runs/my\\ r",
        "quinoa train --no_such_flag=",
    ]
    assert run("bash", "-c", f'eval "$(quinoa completion bash)"\n{BASH}', "bash", *lines) == [
        "<train>",
        "compopt -o nospace",
        "<--agent=>",
        "<run><stand><walk>",
        "<control:walker:walk>",
        "compopt -o filenames",
        "<runs/my run>",
        "<>",
    ]


def test_bash_where_a_colon_is_no_break(run):
    """As some have it; then the whole word is completed."""
    script = f'eval "$(quinoa completion bash)"\nCOMP_WORDBREAKS=" ="\n{BASH}'
    assert run("bash", "-c", script, "bash", "quinoa train --env control:walker:wa") == [
        "<control:walker:walk>"
    ]


@pytest.mark.parametrize("shell", [pytest.param("zsh", marks=installed("zsh"))])
def test_zsh(run, shell):
    typed = ("--ag", "--env=control:walker:", "--resume=runs/my\\ r")
    found = run(shell, "-f", "-c", ZSH, shell, *typed)
    assert found[0] == "compset -P *[/=,:]"
    assert found[1].startswith("--agent=:What learns")
    assert found[1].endswith(" -S ")
    assert found[2:] == [found[0], "run stand walk", found[0], "my run"]


@pytest.mark.parametrize("shell", [pytest.param("fish", marks=installed("fish"))])
def test_fish(run, shell):
    lines = ("train --env=control:walker:", "status runs/my\\ r", "train --engine s")
    asked = "; ".join(f"complete -C 'quinoa {line}'" for line in lines)
    found = run(shell, "--no-config", "-c", f"quinoa completion fish | source; {asked}")
    assert found == [
        *(f"--env=control:walker:{task}" for task in ("run", "stand", "walk")),
        "runs/my run",
        "serial",
    ]


def test_zsh_and_fish_are_told_what_each_is():
    told = [answers.answer(cli._COMMANDS, [shell, "tra"]) for shell in ("zsh", "fish")]
    assert told == [[f"train\t{cli._COMMANDS['train'].about}"]] * 2
    # zsh has taken what is before the last of these letters.
    assert answers.answer(cli._COMMANDS, ["zsh", "train", "--env=control:walker:wa"]) == ["walk\t"]


def test_a_shell_that_there_is_not_is_one_line(quinoa):
    status, out, err = quinoa("completion", "bsh")
    assert (status, out) == (2, "")
    assert err == (
        "quinoa: there is no completion for bsh, but for bash, zsh, fish. Did you mean bash?\n"
    )
    assert quinoa("completion")[0] == 2
    assert quinoa("completion", "bash", "zsh")[0] == 2


def test_what_is_typed_may_ask_for_help(quinoa):
    status, out, _ = quinoa(cli._COMPLETE, "fish", "train", "--help", "--engine=s")
    assert (status, out) == (0, "--engine=serial\t\n")


@pytest.mark.parametrize("arguments", [(), ("fish",), ("bash", "quinoa tr")])
def test_a_question_of_nobodys_script_is_one_line(quinoa, arguments):
    status, _, err = quinoa(cli._COMPLETE, *arguments)
    assert (status, err.count("\n")) == (2, 1)
