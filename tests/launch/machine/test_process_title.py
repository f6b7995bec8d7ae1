import subprocess
import sys

import psutil

CODE = """
import sys
from quinoa.launch.machine import process_title
process_title.rewrite(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


def shown(title: str) -> tuple[list[str], int]:
    """What is shown of a process with this title, and what of that it had room for."""
    command = [sys.executable, "-c", CODE, title]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"AFTER": "it"}
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        there = psutil.Process(process.pid)
        found, environment = there.cmdline(), there.environ()
        process.communicate()
    assert process.returncode == 0
    # What lies behind it is as it was.
    assert environment["AFTER"] == "it"
    return found, sum(len(argument) + 1 for argument in command)


def test_a_process_shows_the_title_and_nothing_of_its_command_line():
    assert shown("python -m node --folder=/é")[0] == ["python", "-m", "node", "--folder=/é"]


def test_a_title_that_is_too_long_is_cut_off():
    # The title itself is an argument, so all others together are what remains when it doubles.
    (found,), room = shown("x" * 1000)
    assert found == "x" * 1000
    code = CODE.replace("sys.argv[1]", "'y' * 100_000")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        (found,) = psutil.Process(process.pid).cmdline()
        process.communicate()
    assert set(found) == {"y"}
    assert 100 < len(found) < 1000 < room
