from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from quinoa.launch.engines.local.group_guard import GroupGuard, kill_with_group
from tests.launch.helpers import ROOT, wait_until

# A program that guards the first and the last of the groups it is given, and says what guards them.
_PROGRAM = """
import sys, time
from quinoa.launch.engines.local.group_guard import GroupGuard

guard = GroupGuard()
for number in map(int, sys.argv[1:]):
    guard.add(number)
guard.remove(int(sys.argv[2]))
print(guard._other.pid, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def groups() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes, each with a child, in groups of their own."""
    started = [
        subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True)
        for _ in range(3)
    ]
    yield started
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _sleeping(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_groups_end_with_a_process_that_is_killed_and_those_that_are_forgotten_do_not(groups):
    assert wait_until(lambda: all(map(_sleeping, groups)), 20)
    (first,), (forgotten,), (last,) = map(_sleeping, groups)
    command = [sys.executable, "-c", _PROGRAM, *(str(group.pid) for group in groups)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert program.stdout is not None
    other = psutil.Process(int(program.stdout.readline()))
    # A service manager that stops all lets it end with the program.
    assert wait_until(lambda: _ignores(other, signal.SIGTERM), 20)
    other.terminate()
    program.kill()
    program.communicate()
    assert wait_until(lambda: not first.is_running() and not last.is_running(), 20)
    assert forgotten.is_running()
    assert wait_until(lambda: not other.is_running(), 20)


def _ignores(process: psutil.Process, number: signal.Signals) -> bool:
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        (mask,) = (line.split()[1] for line in file if line.startswith("SigIgn"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_it_has_a_process_while_there_are_groups(groups):
    before = len(psutil.Process().children())
    guard = GroupGuard()
    for _ in range(2):
        guard.add(groups[0].pid)
        guard.add(groups[1].pid)
        assert len(psutil.Process().children()) == before + 1
        guard.remove(groups[1].pid)
        guard.remove(groups[1].pid)
        assert len(psutil.Process().children()) == before + 1
        guard.remove(groups[0].pid)
        assert len(psutil.Process().children()) == before
    assert all(map(_sleeping, groups))


def test_a_child_that_leads_no_group_yet_is_killed():
    with subprocess.Popen(["sleep", "1000"]) as child:
        assert os.getpgid(child.pid) != child.pid
        kill_with_group(child.pid)
        assert child.wait(20) == -signal.SIGKILL


def test_a_child_is_killed_with_its_group():
    with subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True) as child:
        assert wait_until(lambda: bool(_sleeping(child)), 20)
        (sleeping,) = _sleeping(child)
        kill_with_group(child.pid)
        assert child.wait(20) == -signal.SIGKILL
        assert wait_until(lambda: not sleeping.is_running(), 20)
