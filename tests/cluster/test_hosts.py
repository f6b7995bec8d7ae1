"""Hosts made of namespaces are apart where machines are, and fail as machines do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.cluster import hosts as bare_hosts
from tests.cluster.hosts import Hosts
from tests.cluster.network import seconds_to, server
from tests.launch.helpers import wait_until


def test_hosts_know_one_another_by_name_and_share_one_folder_only(hosts):
    first, second = hosts
    assert [host.run("hostname").stdout for host in hosts] == ["h1\n", "h2\n"]
    name = "import socket; print(socket.gethostbyname('h2'))"
    assert first.python(name) == f"{second.address}\n"
    first.run(["touch", "/tmp/own", "/dev/shm/own", "/run/own", hosts.shared / "everyones"])
    own = second.run("ls /tmp/own /dev/shm/own /run/own", check=False).stdout
    assert own == ""
    assert second.run(["ls", hosts.shared]).stdout == "everyones\n"
    assert (hosts.shared / "everyones").exists() and first.path("/tmp/own").exists()
    # Nor does a host see the other's processes, or the real machine's.
    sleeping = first.popen("echo up; exec sleep 1000")
    assert sleeping.line() == "up"
    try:
        assert "sleep" in first.run("cat /proc/[0-9]*/comm").stdout
        assert "sleep" not in second.run("cat /proc/[0-9]*/comm").stdout
    finally:
        sleeping.kill()
        sleeping.wait()


def test_hosts_reach_one_another_and_nothing_else(hosts):
    with server(hosts["h1"]):
        assert seconds_to(hosts["h2"], hosts["h1"]) < 1
        links = hosts["h2"].run("ip -brief address").stdout
        assert sorted(line.split("@")[0].split()[0] for line in links.splitlines()) == [
            "eth0",
            "lo",
        ]
        probe = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
        assert hosts["h2"].run([sys.executable, "-c", probe], check=False).returncode != 0


def test_what_is_shared_of_the_real_tmp_is_the_only_thing_of_it_that_hosts_see(tmp_path):
    (tmp_path / "file").write_text("of the tests")
    with Hosts(1, share=[tmp_path]) as one:
        assert one.head.run(["cat", tmp_path / "file"]).stdout == "of the tests"
        one.head.run(["touch", tmp_path / "answer"])
        assert (tmp_path / "answer").exists()
        assert one.head.run(["ls", tmp_path.parent]).stdout == f"{tmp_path.name}\n"


def test_a_command_gives_its_output_its_status_and_takes_signals(hosts):
    head = hosts.head
    assert head.run("echo out; echo err >&2").stderr == "err\n"
    with pytest.raises(AssertionError, match="reason"):
        head.run("echo reason; exit 3")
    assert head.run("exit 3", check=False).returncode == 3
    assert head.run("echo $ONE $TWO", env={"ONE": "1", "TWO": None}).stdout == "1\n"
    with pytest.raises(subprocess.TimeoutExpired):
        head.run("sleep 1000", timeout=0.5)
    assert "sleep" not in head.run("cat /proc/[0-9]*/comm").stdout
    process = head.popen("trap 'echo heard; exit 5' INT; echo up; while :; do sleep 0.01; done")
    assert process.line() == "up"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[0] == "heard\n" and process.returncode == 5


def test_a_link_is_cut_mended_and_slowed_and_connections_outlive_that(hosts):
    first, second = hosts
    with server(first):
        assert seconds_to(second, first, 2_000_000) < 0.5
        second.cut()
        with pytest.raises(AssertionError, match="rror"):
            seconds_to(second, first, timeout=1)
        second.mend()
        assert seconds_to(second, first) < 5
        second.slow(latency_ms=100)
        assert 0.2 <= seconds_to(second, first) < 1
        second.slow(mbit=8)
        assert 0.8 <= seconds_to(second, first, 1_000_000) < 5
        second.cut()
        with pytest.raises(AssertionError, match="rror"):
            seconds_to(second, first, timeout=1)
        second.mend()
        assert seconds_to(second, first) < 5
        # A tenth of the packets is lost, and TCP sends them again.
        retransmitted = _retransmitted(second)
        second.slow(loss=0.1)
        assert seconds_to(second, first, 1_000_000, timeout=60) > 0.01
        assert _retransmitted(second) > retransmitted + 20
        second.slow()
        assert seconds_to(second, first, 2_000_000) < 0.5


def _retransmitted(host) -> int:
    """How many segments TCP has sent again on a host."""
    names, values = (
        line.split() for line in host.run("grep ^Tcp: /proc/net/snmp").stdout.splitlines()
    )
    return int(values[names.index("RetransSegs")])


def test_a_full_disk_is_one_hosts_own(hosts):
    first, second = hosts
    first.fill_disk()
    assert "No space left" in first.run("echo more >/tmp/file", check=False).stderr
    second.run("echo more >/tmp/file")
    first.free_disk()
    first.run("echo more >/tmp/file")


def test_a_killed_host_falls_silent_with_all_its_processes_and_can_be_switched_on_again():
    with Hosts(2) as two:
        first, second = two
        sleeping = second.popen(["bash", "-c", "setsid sleep 1000 & echo $!; wait"])
        assert sleeping.line()
        inside = psutil.Process(second.pid).children(recursive=True)
        outside = psutil.Process(sleeping.pid).children(recursive=True)
        assert outside
        listening = first.popen([sys.executable, "-c", _WAITS_FOR_THE_OTHER])
        assert listening.line() == "up"
        second.popen(f"exec 3<>/dev/tcp/{first.address}/9001; sleep 1000")
        assert listening.line() == "connected"
        second.kill()
        sleeping.communicate(timeout=10)
        assert not any(process.is_running() for process in [*inside, *outside])
        # It has said no goodbye: the other end of its connection waits.
        assert listening.communicate(timeout=30)[0] == "timed out\n"
        with pytest.raises(RuntimeError, match="switched off"):
            second.run("true")
        second.boot()
        with server(second):
            assert seconds_to(first, second) < 5
        third = two.add()
        with server(third):
            assert third.name == "h3" and seconds_to(first, two["h3"]) < 5


_WAITS_FOR_THE_OTHER = """
import socket
listener = socket.create_server(("", 9001))
print("up", flush=True)
connection, _ = listener.accept()
print("connected", flush=True)
connection.settimeout(2)
try:
    print("ended:", connection.recv(1))
except (TimeoutError, socket.timeout):
    print("timed out")
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_hosts_however_their_tests_end(sign):
    code = """
import sys, time
from tests.cluster.hosts import Hosts
with Hosts(2) as hosts:
    hosts.head.popen("setsid sleep 1000 & wait")
    hosts["h2"].slow(latency_ms=1)
    print(hosts.shared, *(host.pid for host in hosts), flush=True)
    time.sleep(1000)
"""
    tests = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    shared, *pids = tests.stdout.readline().split()
    folder = bare_hosts.STATE / os.path.relpath(shared, bare_hosts.STATE).split("/")[0]
    assert folder.is_dir() and len(pids) == 2
    processes = [
        each
        for pid in pids
        for each in (psutil.Process(int(pid)), *psutil.Process(int(pid)).children(recursive=True))
    ]
    tests.send_signal(sign)
    tests.communicate(timeout=30)
    wait_until(lambda: not any(process.is_running() for process in processes), 10)
    with Hosts(1):
        assert not folder.exists()


def test_hosts_of_tests_that_run_at_the_same_time_stay_apart():
    with Hosts(1) as ours, Hosts(1) as others:
        assert ours.head.address == others.head.address
        with server(ours.head):
            with pytest.raises(AssertionError, match="refused"):
                seconds_to(others.head, others.head)
            assert seconds_to(ours.head, ours.head) < 1
        assert ours.shared.is_dir() and others.shared.is_dir()


def test_hosts_are_made_in_a_moment():
    start = time.monotonic()
    with Hosts(4):
        assert time.monotonic() - start < 5


def test_where_there_can_be_no_hosts_it_says_why(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    reason = bare_hosts.why_not.__wrapped__()
    assert reason == "hosts need root: network namespaces are made for them"
    monkeypatch.setattr(bare_hosts, "why_not", lambda: reason)
    with pytest.raises(RuntimeError, match="need root"), Hosts(1):
        pass
