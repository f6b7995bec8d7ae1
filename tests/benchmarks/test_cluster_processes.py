from __future__ import annotations

import pytest

from benchmarks.cluster_processes import Kind, kind_of, sent

NODE = "/venv/bin/python -m quinoa.launch.engines.local.node_main --data_file=/tmp/x.pickle"


@pytest.mark.parametrize(
    ("command", "parent", "kind"),
    [
        (f"{NODE} --error_file=/runs/a/logs/actor-12.error --heartbeat=7", "", Kind.ACTOR),
        (f"{NODE} --error_file=/tmp/quinoa-run-1/logs/replay-0.error", "", Kind.REPLAY),
        (f"{NODE} --error_file=/runs/actor-1/logs/learner-0.error", "", Kind.LEARNER),
        ("python -c ... quinoa.launch.engines.ray.gateway.main 5", "", Kind.GATEWAY),
        ("ray::HostAgent.look", "raylet", Kind.AGENT),
        ("ray::RunServer.news", "raylet", Kind.SUPERVISOR),
        ("python -c ... quinoa.launch.machine.child_process", "ray::RunServer", Kind.SUPERVISOR),
        (
            "python -c ... quinoa.launch.engines.local.warm_parent_main",
            "ray::HostAgent",
            Kind.OTHER,
        ),
        ("/ray/raylet/raylet --resource=ray::RunServer", "", Kind.OTHER),
    ],
)
def test_what_a_process_does_is_read_from_its_command_line(command, parent, kind):
    assert kind_of(command, parent) is kind


def test_what_an_interface_has_sent_is_read_from_the_kernels_lines():
    lines = [
        "Inter-|   Receive                  |  Transmit\n",
        " face |bytes    packets errs ...    |bytes    packets\n",
        "    lo:    1000      10    0    0    0     0          0         0     1000      10    0\n",
        "  eth0:  987654      20    0    0    0     0          0         0  123456      30    0\n",
    ]
    assert sent(lines, "eth0") == 123456
    assert sent(lines, "eth1") == 0
