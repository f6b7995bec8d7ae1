from __future__ import annotations

import getpass
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quinoa.launch.machine import home
from tests.launch.helpers import ROOT

# A user id without a name, home folder or variable that says them, as in a container.
_NOBODY = 54321
_AS_NOBODY = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
_ASK = """
from quinoa.launch.machine import process_environment
inherited = process_environment.set_for_this_process()
import getpass, os, pathlib
import matplotlib
print(pathlib.Path.home())
print(inherited["HOME"] == os.environ["HOME"], getpass.getuser())
print(matplotlib.get_configdir())
"""


def test_a_user_who_has_one_keeps_it():
    variables: dict[str, str] = {}
    home.ensure(variables)
    assert variables == {}


def test_a_user_without_one_gets_one_and_keeps_what_there_is(monkeypatch):
    def unknown(uid: int):
        raise KeyError(uid)

    kept: list[Callable[[], None]] = []
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr("atexit.register", kept.append)
    monkeypatch.delenv("HOME")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuntimeError):
        Path.home()
    variables = {"HOME": ""}
    home.ensure(variables)
    monkeypatch.setattr(os, "environ", {**os.environ, **variables})
    assert Path.home().is_dir() and os.access(Path.home(), os.W_OK)
    assert getpass.getuser() == str(os.getuid())
    (remove,) = kept
    remove()
    assert not Path.home().exists()
    variables = {"HOME": "/somewhere", "LOGNAME": "me"}
    home.ensure(variables)
    assert variables == {"HOME": "/somewhere", "LOGNAME": "me"}


@pytest.mark.skipif(_NOBODY in [user.pw_uid for user in pwd.getpwall()], reason="there is such")
def test_libraries_find_a_home_in_the_process_of_a_user_without_one(tmp_path):
    if subprocess.run([*_AS_NOBODY, "true"], capture_output=True).returncode:
        pytest.skip("nobody can become another user here")
    variables = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*_AS_NOBODY, sys.executable, "-c", _ASK],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    place, named, matplotlibs = done.stdout.splitlines()
    assert Path(place).parent == tmp_path
    assert named == f"True {_NOBODY}"
    assert matplotlibs.startswith(place)
    assert not list(tmp_path.iterdir())
