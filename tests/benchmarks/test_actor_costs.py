from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest

from benchmarks.actor_costs import Traffic, connections, listeners

LISTENING = """\
LISTEN 0      128               0.0.0.0:2024  0.0.0.0:*
LISTEN 0      4096                    *:20222       *:* users:(("python",pid=285,fd=26))
"""
CONNECTED = """\
ESTAB 0 0 [::ffff:127.0.0.1]:46388 [::ffff:127.0.0.1]:20222 users:(("python",pid=31,fd=9)) bbr \
rto:208 mss:33280 bytes_sent:994 bytes_acked:995 bytes_received:280 segs_out:9
ESTAB 0 0 [::ffff:127.0.0.1]:46390 [::ffff:127.0.0.1]:20222 users:(("python",pid=31,fd=8)) bbr \
rto:208 mss:33280 bytes_acked:5 segs_out:9
ESTAB 0 0 [::ffff:127.0.0.1]:20222 [::ffff:127.0.0.1]:46388 users:(("python",pid=285,fd=31)) bbr \
rto:208 bytes_sent:280 bytes_acked:280 bytes_received:994
"""


def test_who_listens_and_what_passed_is_read_from_the_lines_of_ss():
    assert listeners(LISTENING) == {20222: 285}
    found = connections(CONNECTED)
    # Both connections of one process to a port, one of which has received nothing.
    assert found[31, 20222] == Traffic(1000, 280)
    assert found[285, 46388] == Traffic(280, 994)


@pytest.mark.skipif(shutil.which("ss") is None, reason="iproute2's ss is not installed")
def test_the_ss_of_this_machine_counts_what_a_connection_carried():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0] as other:
            client.sendall(b"a" * 5000)
            left = 5000
            while left:
                left -= len(other.recv(left))
            other.sendall(b"b" * 300)
            assert len(client.recv(300)) == 300

            def ss(options: str) -> str:
                return subprocess.run(
                    ["ss", options], check=True, capture_output=True, text=True
                ).stdout

            assert listeners(ss("-Htlnp"))[port] == os.getpid()
            traffic = connections(ss("-HtinpO"))[os.getpid(), port]
    # The kernel counts the connection's opening as a byte.
    assert abs(traffic.sent - 5000) <= 1 and traffic.received == 300
