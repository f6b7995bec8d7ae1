"""What one more actor costs a run: bytes on the network, calls and memory.

    python -m benchmarks.actor_costs [--actors=1,2,4]

Runs of as many actors, whose environments wait and compute nothing, so that cores limit none of
them. The kernel counts the bytes of each connection (`ss`, of Debian's iproute2), inside the run's
private network; that takes root, as `nsenter` does.
"""

from __future__ import annotations

import collections
import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psutil
from absl import app, flags

from benchmarks.training import Training, training
from quinoa.launch.machine import process_environment
from quinoa.launch.run import process_list, status
from quinoa.launch.run.roles import Role

_ACTORS = flags.DEFINE_list("actors", ["1", "2", "4"], "Numbers of actors.")
# Seconds that one step of the environment waits, over the environments of an actor in turn.
_STEP_S = flags.DEFINE_float("step_seconds", 0.005, "Seconds that each step of an actor takes.")
_SETTLE_S = 8.0
_SECONDS = 20.0
_CALLED = (Role.REPLAY, Role.LEARNER, Role.COUNTER)


class Traffic(NamedTuple):
    """Bytes on the connections from one process to another.

    Attributes:
        sent: by the process that connects.
        received: by it.
    """

    sent: int
    received: int


def listeners(text: str) -> dict[int, int]:
    """The process that listens at each port, of what `ss -Htlnp` prints."""
    found = {}
    for line in text.splitlines():
        port, pid = re.search(r":(\d+) +\S+:\*", line), re.search(r"pid=(\d+)", line)
        if port and pid:
            found[int(port[1])] = int(pid[1])
    return found


def connections(text: str) -> dict[tuple[int, int], Traffic]:
    """The bytes between each process and each port that it has connected to.

    Args:
        text: what `ss -HtinpO` prints, a line for each end of a connection.
    """
    found: dict[tuple[int, int], Traffic] = collections.defaultdict(lambda: Traffic(0, 0))
    for line in text.splitlines():
        port, pid = re.search(r":\d+ +\S+:(\d+) ", line), re.search(r"pid=(\d+)", line)
        if port and pid:
            key = int(pid[1]), int(port[1])
            sent, received = (
                int(count[1]) if (count := re.search(rf"\b{name}:(\d+)", line)) else 0
                for name in ("bytes_acked", "bytes_received")
            )
            before = found[key]
            found[key] = Traffic(before.sent + sent, before.received + received)
    return dict(found)


class Sample(NamedTuple):
    """A run at one moment.

    Attributes:
        at: seconds of a clock.
        steps: of all actors so far.
        bytes: of all actors to and from each role that they call.
        processor: seconds that each role's processes have used.
    """

    at: float
    steps: int
    bytes: Mapping[Role, Traffic]
    processor: Mapping[Role, float]


def _sample(run: Training) -> Sample:
    nodes = process_list.read(run.folder.processes).nodes
    actors = [node.pid for node in nodes if node.role == Role.ACTOR]

    def ss(options: str) -> str:
        inside = ("nsenter", f"--target={actors[0]}", "--net")
        return subprocess.run(
            [*inside, "ss", options], check=True, capture_output=True, text=True
        ).stdout

    roles = {node.pid: node.role for node in nodes}
    ports = {port: roles[pid] for port, pid in listeners(ss("-Htlnp")).items() if pid in roles}
    total = {role: Traffic(0, 0) for role in _CALLED}
    for (pid, port), traffic in connections(ss("-HtinpO")).items():
        if pid in actors and port in ports:
            before = total[ports[port]]
            total[ports[port]] = Traffic(
                before.sent + traffic.sent, before.received + traffic.received
            )
    processor: dict[Role, float] = collections.defaultdict(float)
    for node in nodes:
        times = psutil.Process(node.pid).cpu_times()
        processor[node.role] += times.user + times.system
    now = status.read(run.folder.status)
    assert now is not None
    return Sample(time.monotonic(), now.counts.actor_steps, total, processor)


def _memory(pids: Iterable[int]) -> tuple[float, float]:
    """The mean resident memory of processes, and the mean of what each has alone, in MB."""
    both = [psutil.Process(pid).memory_full_info() for pid in pids]
    return (
        sum(each.rss for each in both) / len(both) / 1e6,
        sum(each.uss for each in both) / len(both) / 1e6,
    )


def measure(num_actors: int) -> str:
    """Runs so many actors; returns a row of the table."""
    with training(
        "--agent=iq",
        "--env=benchmarks.simulated:Simulated",
        f"--env_set=step_s={_STEP_S.value}",
        f"--num_actors={num_actors}",
        "--environments_per_actor=8",
        # A gradient step for each 64 environment steps: the learner publishes all along.
        "--samples_per_insert=4",
        "--steps_per_call=1",
        "--set=min_replay_size=1000",
    ) as run:
        run.wait_for_learner()
        run.wait_for_actors(num_actors)
        time.sleep(_SETTLE_S)
        before = _sample(run)
        time.sleep(_SECONDS)
        after = _sample(run)
        nodes = process_list.read(run.folder.processes).nodes
        resident, own = _memory(node.pid for node in nodes if node.role == Role.ACTOR)
    seconds, steps = after.at - before.at, after.steps - before.steps
    cells = [f"{num_actors}", f"{steps / seconds / num_actors:.0f}"]
    for role in _CALLED:
        sent = after.bytes[role].sent - before.bytes[role].sent
        received = after.bytes[role].received - before.bytes[role].received
        if role == Role.REPLAY:
            cells.append(f"{sent / steps:.0f}")
        else:
            cells += [f"{each / seconds / num_actors / 1e3:.1f}" for each in (sent, received)]
    cells += [
        f"{(after.processor[role] - before.processor[role]) / seconds:.3f}"
        for role in (Role.ACTOR, *_CALLED)
    ]
    return " | ".join([*cells, f"{resident:.0f}", f"{own:.0f}"])


def _main(arguments: list[str]) -> None:
    del arguments
    process_environment.set_for_this_process()
    print(
        "actors | steps/s each | bytes a step to replay | kB/s to, from the learner each | "
        "kB/s to, from the counter each | cores: actors, replay, learner, counter | "
        "MB resident, own"
    )
    for num_actors in _ACTORS.value:
        print(measure(int(num_actors)), flush=True)


if __name__ == "__main__":
    app.run(_main)
