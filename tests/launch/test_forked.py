"""What is forked for a test is what an executed process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from quinoa.launch.machine import interpreter
from tests.launch import forked

_SHOW = """
import os, signal, sys
sys.stderr.write("said\\n")
signals = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
print(sys.argv[1:], os.getcwd(), os.environ["OWN"], os.environ.get("HOME"), os.getppid(), signals)
print(sys.stdin.read(), signal.pthread_sigmask(signal.SIG_BLOCK, []), os.getpgrp() == os.getpid())
sys.exit(3)
"""


def test_it_has_its_arguments_variables_folder_streams_signals_and_status(tmp_path):
    command = [sys.executable, "-c", _SHOW, "--flag=a b", "c"]
    options = {
        "cwd": tmp_path,
        "env": {"OWN": "x", "PATH": os.environ["PATH"]},
        "stdin": subprocess.DEVNULL,
    }
    executed = subprocess.run(
        command,
        capture_output=True,
        text=True,
        start_new_session=True,
        # Where nohup has the tests ignore it, what they execute would too.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        **options,
    )
    assert executed.returncode == 3
    assert vars(forked.run(command, **options)) == vars(executed)


def test_a_module_is_run_with_this_processs_path():
    command = interpreter.command("quinoa.launch.cli", "--version")
    executed = subprocess.run(command, capture_output=True, text=True)
    assert executed.returncode == 0
    assert vars(forked.run(command)) == vars(executed)


@pytest.mark.parametrize("ending", ["raise KeyboardInterrupt", "1 / 0", "sys.exit('why')", ""])
def test_it_ends_as_an_executed_one(ending):
    code = f"import atexit, sys\natexit.register(print, 'at exit')\n{ending}"
    command = [sys.executable, "-c", code]
    executed = subprocess.run(command, capture_output=True, text=True)
    done = forked.run(command)
    assert (done.returncode, done.stdout) == (executed.returncode, executed.stdout)
    assert done.stderr.splitlines()[-1:] == executed.stderr.splitlines()[-1:]


def test_it_shows_its_command_and_is_ended_by_a_signal():
    command = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(100)"]
    with forked.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        shown = psutil.Process(process.pid)
        assert " ".join(shown.cmdline()) == " ".join(command)
        assert shown.ppid() == os.getpid()
        process.terminate()
    assert process.returncode == -signal.SIGTERM


def test_one_that_takes_too_long_is_killed():
    command = [sys.executable, "-c", "import time; time.sleep(100)"]
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(command, timeout=0.2)
