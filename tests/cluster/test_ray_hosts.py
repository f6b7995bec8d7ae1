"""Plain Ray on the hosts: what it does by itself when they fail."""

from __future__ import annotations

import time

from tests.cluster.ray_hosts import RayHosts

# Begins each program: a function that runs on a host of that name, or wherever Ray puts it.
_TASKS = """
import json, socket, sys, time, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

ray.init(log_to_driver=False)

@ray.remote
def host_name():
    return socket.gethostname()

def alive():
    return {node["NodeManagerHostname"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}

def names_from(nodes, timeout=60):
    pinned = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes.values()]
    tasks = [host_name.options(scheduling_strategy=each).remote() for each in pinned]
    return sorted(ray.get(tasks, timeout=timeout))

def wait_for(names, timeout=60):
    deadline = time.monotonic() + timeout
    while sorted(alive()) != names:
        assert time.monotonic() < deadline, alive()
        time.sleep(0.1)
"""


def run(cluster, code: str, host: str = "h1") -> str:
    """Returns the last line that a program prints: before it, Ray may warn of what has happened."""
    return cluster[host].python(_TASKS + code, timeout=90).splitlines(keepends=True)[-1]


def test_a_task_runs_on_each_host(cluster):
    assert run(cluster, "print(*names_from(alive()))") == "h1 h2 h3\n"


def test_a_program_may_run_on_any_host(cluster):
    assert run(cluster, "print(*names_from(alive()))", host="h3") == "h1 h2 h3\n"


def test_nobody_without_the_token_gets_in(cluster):
    join = ["ray", "start", f"--address={cluster.address}", "--num-cpus=1"]
    use = ["python", "-c", "import ray; ray.init(); print('in')"]
    tried = []
    for token in (None, "0" * 64):
        env = {"RAY_AUTH_TOKEN": token, "RAY_AUTH_MODE": "token" if token else "disabled"}
        # Ray takes a refusal for a head that is still starting, and tries for 20 s.
        env["RAY_NUM_REDIS_GET_RETRIES"] = "1"
        tried += [cluster["h2"].popen(command, env=env) for command in (join, use)]
    for process in tried:
        stdout, stderr = process.communicate(timeout=90)
        assert process.returncode != 0 and "in" not in stdout.splitlines()
        assert "Authentication token is missing or incorrect" in stderr
    assert run(cluster, "print(len(alive()))") == "3\n"


def test_a_link_that_is_cut_for_a_moment_comes_back_and_a_slow_one_works(cluster):
    cluster["h2"].cut()
    time.sleep(2)
    cluster["h2"].mend()
    assert run(cluster, "print(*names_from(alive()))") == "h1 h2 h3\n"
    cluster["h2"].slow(latency_ms=20, loss=0.01, mbit=100)
    try:
        assert run(cluster, "print(*names_from(alive()))") == "h1 h2 h3\n"
    finally:
        cluster["h2"].slow()


def test_a_killed_host_is_found_dead_and_one_that_is_added_takes_its_place(_needs_ray):
    with RayHosts(2) as cluster:
        cluster["h2"].kill()
        start = time.monotonic()
        code = "wait_for(['h1'])\nprint(*names_from(alive()))"
        assert run(cluster, code) == "h1\n"
        assert time.monotonic() - start < 30
        cluster.add()
        # Switched on again, it joins as a new node of the old name.
        cluster["h2"].boot()
        cluster.start_ray(cluster["h2"])
        code = "wait_for(['h1', 'h2', 'h3'])\nprint(*names_from(alive()))"
        assert run(cluster, code) == "h1 h2 h3\n"
