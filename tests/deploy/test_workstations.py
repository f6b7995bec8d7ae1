"""The script for workstations, with an ssh that runs commands here: a host is a home of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.deploy import ray_limits
from tests.launch.helpers import ROOT, running, wait_until

SCRIPT = ROOT / "deploy" / "workstations" / "hosts.sh"
VERSIONS = "Python 3.10.13 Ray 2.60.0 Quinoa 0.1.0"

# As a stranger's login: an empty environment, the command through a shell. It knows no host "gone".
SSH = """#!/bin/bash
while [[ $1 == -* ]]; do
    case $1 in
    -G) echo "hostname 127.0.0.1"; exit ;;
    -o) echo "$2" >>"OPTIONS"; shift 2 ;;
    esac
done
host=$1
shift
[[ $host == gone ]] && { echo "ssh: connect to host gone port 22: No route to host" >&2; exit 255; }
mkdir -p "HOMES/$host" && cd "HOMES/$host"
exec env -i HOME="HOMES/$host" PATH=/usr/bin:/bin "$SHELL" -c "$*"
"""
RAY = """#!/bin/sh
case $1 in
get-auth-token)
    mkdir -p ~/.ray
    [ -s ~/.ray/auth_token ] || printf secret-of-this-cluster >~/.ray/auth_token
    cat ~/.ray/auth_token ;;
start)
    printf '%s\\n' "$@" >~/started
    env >~/environment
    [ -f ~/broken ] && { echo "no room for the object store"; exit 1; }
    echo "Ray runtime started."
    trap 'echo ended >~/ended; exit 0' TERM
    while true; do sleep 0.1; done ;;
esac
"""


class Machines:
    """Homes of this machine (`me`) and of the hosts, and the script called on this one."""

    def __init__(self, root: Path):
        self.homes = root / "homes"
        self.bin = root / "environment" / "bin"
        self.ssh_options = root / "options"
        ssh = SSH.replace("HOMES", str(self.homes)).replace("OPTIONS", str(self.ssh_options))
        for file, text in (
            (root / "ssh" / "ssh", ssh),
            (self.bin / "ray", RAY),
            (self.bin / "python", f"#!/bin/sh\ncat ~/versions 2>/dev/null || echo {VERSIONS}\n"),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755)
        self.environment = {
            "HOME": str(self.home("me")),
            "PATH": f"{root / 'ssh'}:{self.bin}:{os.environ['PATH']}",
            "SHELL": "/bin/bash",
            "ADDRESS": "192.0.2.1",
        }

    def home(self, host: str) -> Path:
        home = self.homes / host
        home.mkdir(parents=True, exist_ok=True)
        return home

    def call(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", SCRIPT, *words],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
        )

    def started(self, host: str) -> list[str]:
        """The flags of `ray start` on a host; none where it was not called."""
        file = self.home(host) / "started"
        return file.read_text().splitlines()[1:] if file.exists() else []

    def token(self, host: str) -> Path:
        return self.home(host) / ".ray" / "auth_token"

    def running(self) -> list[psutil.Process]:
        """The processes that stand for Ray's."""
        return running(lambda command: str(self.bin / "ray") in command)


@pytest.fixture
def machines(tmp_path):
    made = Machines(tmp_path)
    yield made
    for process in made.running():
        process.kill()


def test_up_starts_the_head_here_and_joins_every_host_with_its_token(machines):
    done = machines.call("up", "a", "b")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[0] == "here: started"
    assert sorted(done.stdout.splitlines()[1:3]) == ["a: started", "b: started"]
    assert "The cluster is at 192.0.2.1:6379." in done.stdout
    head = machines.started("me")
    assert {"--head", "--block", "--node-ip-address=192.0.2.1", "--port=6379"} <= set(head)
    for host in ("me", "a", "b"):
        assert machines.token(host).read_text() == "secret-of-this-cluster"
        assert machines.token(host).stat().st_mode & 0o077 == 0
        environment = (machines.home(host) / "environment").read_text()
        assert "RAY_AUTH_MODE=token" in environment
        assert f"PATH={machines.bin}:" in environment
        if host != "me":
            assert "--address=192.0.2.1:6379" in machines.started(host)
            assert "--head" not in machines.started(host)
    # ssh never waits for a password.
    assert "BatchMode=yes" in machines.ssh_options.read_text()
    assert len(machines.running()) == 3


def test_the_token_is_on_no_command_line(machines):
    """Where every user of the host could read it."""
    machines.call("up", "a")
    for process in machines.running():
        assert "secret-of-this-cluster" not in " ".join(process.cmdline())
    assert "secret" not in "".join(machines.started("me") + machines.started("a"))
    for host in ("me", "a"):
        (state,) = (machines.home(host) / ".local/state/quinoa-cluster").iterdir()
        assert state.stat().st_mode & 0o077 == 0


def test_up_again_keeps_what_runs_and_adds_hosts(machines):
    machines.call("up", "a")
    before = {process.pid for process in machines.running()}
    done = machines.call("up", "a", "b")
    assert done.returncode == 0
    assert "here: has Ray already" in done.stdout and "a: has Ray already" in done.stdout
    assert "b: started" in done.stdout
    assert before < {process.pid for process in machines.running()}


def test_down_ends_it_everywhere(machines):
    machines.call("up", "a", "b")
    done = machines.call("down")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["a: ended", "b: ended", "here: ended"]
    assert not machines.running()
    for host in ("me", "a", "b"):
        # By SIGTERM, on which Ray ends what it has started.
        assert (machines.home(host) / "ended").exists()
    assert machines.call("down").stdout.splitlines() == ["here: had no Ray of ours"]


def test_down_of_a_host_leaves_the_others(machines):
    machines.call("up", "a", "b")
    assert machines.call("down", "a").stdout.splitlines() == ["a: ended"]
    assert len(machines.running()) == 2


def test_down_leaves_alone_what_has_the_number_of_a_process_of_ours_now(machines):
    machines.call("up", "a")
    for process in machines.running():
        process.terminate()
    assert wait_until(lambda: not machines.running(), 10.0)
    (pid_file,) = machines.home("a").glob(".local/state/quinoa-cluster/*/pid")
    other = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(str(other.pid))
        assert "a: had no Ray of ours" in machines.call("down").stdout
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("versions", "a: it has Python 3.10.13 Ray 2.9.0 Quinoa 0.1.0, where the head has Python"),
        ("token", "a: it has another token of Ray in ~/.ray/auth_token: move that away"),
        ("broken", "a: Ray did not start; the end of its log:\nno room for the object store"),
    ],
)
def test_a_host_that_cannot_join_is_named_with_the_reason_and_the_others_join(
    machines, trouble, says
):
    file = {"versions": "versions", "token": ".ray/auth_token", "broken": "broken"}[trouble]
    path = machines.home("a") / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("Python 3.10.13 Ray 2.9.0 Quinoa 0.1.0" if trouble == "versions" else "other")
    done = machines.call("up", "a", "b")
    assert done.returncode == 1
    assert says in done.stdout and "b: started" in done.stdout
    assert "1 of 2 hosts did not join; mend them, and run this again." in done.stderr
    if trouble == "token":
        assert machines.token("a").read_text() == "other"
    path.unlink()
    done = machines.call("up", "a", "b")
    assert done.returncode == 0 and "a: started" in done.stdout


def test_a_host_that_ssh_does_not_reach_is_named(machines):
    done = machines.call("up", "gone", "b")
    assert done.returncode == 1
    assert "gone: ssh: connect to host gone port 22: No route to host" in done.stdout
    assert "b: started" in done.stdout
    done = machines.call("down")
    assert done.returncode == 1
    assert "1 of 2 hosts were not reached" in done.stderr
    assert "b: ended" in done.stdout and "here: ended" in done.stdout


def test_a_host_without_the_environment_is_told_what_to_set(machines):
    done = machines.call("up", "a", BIN="/nowhere")
    assert "a: there is no /nowhere/ray: install Quinoa with Ray, or set BIN" in done.stdout


def test_without_ray_here_nothing_is_started(machines):
    done = machines.call("up", "a", PATH="/usr/bin:/bin")
    assert done.returncode == 1 and "there is no ray here" in done.stderr
    assert not machines.started("a")


@pytest.mark.parametrize("words", [(), ("start", "a"), ("up",)])
def test_what_it_does_not_know_it_says_in_a_line(machines, words):
    done = machines.call(*words)
    assert done.returncode == 1 and done.stderr.startswith("hosts.sh: ")
    assert "hosts.sh up HOST..." in done.stderr and len(done.stderr.splitlines()) == 1


def test_what_ray_starts_finds_the_cuda_of_its_environment_and_knows_rays_limits(machines):
    nvidia = machines.bin.parent / "lib" / "python3.10" / "site-packages" / "nvidia"
    for folder in ("cublas/lib", "cuda_nvcc"):
        (nvidia / folder).mkdir(parents=True)
    assert machines.call("up", "a").returncode == 0
    for host in ("me", "a"):
        environment = (machines.home(host) / "environment").read_text().splitlines()
        assert f"LD_LIBRARY_PATH={nvidia}/cublas/lib:" in environment
        assert f"XLA_FLAGS=--xla_gpu_cuda_data_dir='{nvidia}/cuda_nvcc'" in environment
        for name, value in ray_limits.of_recipes().items():
            assert f"RAY_{name}={value}" in environment
