"""The script for workstations makes a cluster of hosts that it reaches over the network alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cluster.hosts import Hosts
from tests.cluster.machine import ROOT
from tests.launch.helpers import wait_until

SCRIPT = ROOT / "deploy" / "workstations" / "hosts.sh"

# In place of OpenSSH, which these machines lack: no encryption, and the same use.
SSH_SERVER = """
import socketserver, subprocess

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        command = self.rfile.readline().decode()
        done = subprocess.run(
            ["sh", "-c", command],
            input=self.rfile.read(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"HOME": "/tmp/home", "PATH": "/usr/bin:/bin"},
            cwd="/tmp/home",
        )
        self.wfile.write(done.stdout + b"%3d" % done.returncode)

socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("", 22), Handler)
print("up", flush=True)
server.serve_forever()
"""
SSH = """#!{python}
import socket, sys

words = sys.argv[1:]
if words[0] == "-G":
    sys.exit(print("hostname", words[1]))
while words[0] == "-o":
    del words[:2]
with socket.create_connection((words[0], 22), timeout=120) as connection:
    connection.sendall(" ".join(words[1:]).encode() + b"\\n" + sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
    answer = connection.makefile("rb").read()
sys.stdout.buffer.write(answer[:-3])
sys.exit(int(answer[-3:]))
"""


@pytest.fixture
def hosts(_needs_ray):
    # With the room that a run's folder must have.
    with Hosts(3, disk_mb=1200) as made:
        ssh = made.shared / "ssh"
        ssh.write_text(SSH.format(python=sys.executable))
        ssh.chmod(0o755)
        servers = []
        for host in made:
            host.run(["mkdir", "-p", "/tmp/home"])
            if host is not made.head:
                servers.append(host.popen([sys.executable, "-c", SSH_SERVER]))
                assert servers[-1].line() == "up"
        path = f"{made.shared}:{made.head.variables({})['PATH']}"
        made.head.environment |= {"PATH": path}
        yield made
        for server in servers:
            server.kill()
            server.wait()


def test_a_run_trains_on_workstations(hosts):
    head, *others = hosts
    head.run([SCRIPT, "up", *(host.name for host in others)], timeout=240)
    # Its two cores would have to do for learner, replay and counter.
    alone = ["quinoa", "train", "--engine=ray", "--folder=/tmp/home/run", "--learner_threads=1"]
    refused = head.run(alone, timeout=120, check=False)
    assert refused.returncode == 2
    assert "takes 2.1 processor cores. This host has 2 and 0 GPUs" in refused.stderr
    folder = hosts.shared / "run"
    done = head.run(
        [
            *("quinoa", "train", "--engine=ray", f"--folder={folder}", "--learner_threads=1"),
            *("--env=control:cartpole:swingup", "--steps=1000", "--num_actors=2"),
            *("--evaluation_episodes=1", "--set=batch_size=32", "--set=hidden_sizes=32"),
            "--set=min_replay_size=500",
        ],
        timeout=240,
    )
    assert "Return of the final policy: " in done.stdout
    assert json.loads((folder / "result.json").read_text())["outcome"] == "finished"
    head.run([SCRIPT, "down"])


def test_the_two_commands_of_the_page_make_a_cluster(hosts):
    head, other, _ = hosts
    page = (SCRIPT.parent / "README.md").read_text("utf-8")
    printed = page.partition("## Two commands")[2].split("```")[1]
    # Its first line is the language of the block.
    commands = printed.splitlines()[1:]
    assert len(commands) == 2
    for command in commands:
        assert "ray start" in command
        here = command.replace("$PWD/.venv-ray/bin", str(Path(sys.executable).parent))
        head.run(here.replace("WORKSTATION", other.name), timeout=120)
    listed = head.run([SCRIPT, "list"]).stdout
    assert {line.split()[1].rstrip(":") for line in listed.splitlines()} == {
        head.address,
        other.address,
    }
    assert other.run(["stat", "--format=%a", "/tmp/home/.ray/auth_token"]).stdout == "600\n"


def has_ray(host) -> bool:
    return "raylet" in host.run("cat /proc/[0-9]*/comm").stdout


def test_workstations_join_over_the_network_and_leave(hosts):
    head, *others = hosts
    names = [host.name for host in others]
    said = head.run([SCRIPT, "up", *names], timeout=240).stdout
    assert f"The cluster is at {head.address}:6379." in said
    listed = head.run([SCRIPT, "list"]).stdout.splitlines()
    assert sorted(line.split()[1].rstrip(":") for line in listed) == sorted(
        host.address for host in hosts
    )
    # Where Ray looks for it, readable to the user alone.
    tokens = {host.run(["cat", "/tmp/home/.ray/auth_token"]).stdout for host in hosts}
    assert len(tokens) == 1 and len(tokens.pop()) >= 32
    modes = {
        host.run(["stat", "--format=%a", "/tmp/home/.ray/auth_token"]).stdout for host in hosts
    }
    assert modes == {"600\n"}
    # A host that was switched off is found to be gone, and joins again.
    head.run([SCRIPT, "down", names[0]])
    assert not has_ray(others[0]) and has_ray(others[1]) and has_ray(head)
    assert wait_until(lambda: ": gone" in head.run([SCRIPT, "list"]).stdout, 60.0)
    head.run([SCRIPT, "up", *names], timeout=240)
    listed = head.run([SCRIPT, "list"]).stdout
    assert sum(" cores, " in line for line in listed.splitlines()) == 3
    said = head.run([SCRIPT, "down"]).stdout
    assert said.splitlines() == [f"{name}: ended" for name in names] + ["here: ended"]
    assert not any(map(has_ray, hosts))
