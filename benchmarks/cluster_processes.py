"""Which processes of this machine belong to a run on hosts of it, and what they use."""

from __future__ import annotations

import contextlib
import enum
import os
import re
from collections.abc import Iterator, Mapping, Sequence

import psutil

from tests.cluster.hosts import Hosts

# Actors whose memory is read, which takes milliseconds each.
_SAMPLED = 8


class Kind(str, enum.Enum):
    """What a process does for a run."""

    ACTOR = "actors"
    LEARNER = "learner"
    REPLAY = "replay"
    COUNTER = "counter"
    EVALUATOR = "evaluator"
    SUPERVISOR = "supervisor"
    GATEWAY = "gateways"
    AGENT = "agents"
    # Ray's own, and what waits: warm parents and the command that shows the run.
    OTHER = "other"

    __str__ = str.__str__


_NODES = {
    "actor": Kind.ACTOR,
    "learner": Kind.LEARNER,
    "replay": Kind.REPLAY,
    "counter": Kind.COUNTER,
    "evaluator": Kind.EVALUATOR,
}


def kind_of(command: str, parent: str) -> Kind:
    """What a process does, by its command line and its parent's."""
    if node := re.search(r"--error_file=\S*/(\w+)-\d+\.error\b", command):
        return _NODES[node[1]]
    if "engines.ray.gateway" in command:
        return Kind.GATEWAY
    if command.startswith("ray::HostAgent"):
        return Kind.AGENT
    # The run itself is a child of the actor that serves it.
    if "ray::RunServer" in (command[:14], parent[:14]):
        return Kind.SUPERVISOR
    return Kind.OTHER


class Processes:
    """The processes on some hosts of this machine."""

    def __init__(self, hosts: Hosts):
        """Looks at nothing yet."""
        self._hosts = hosts

    def _all(self) -> Iterator[tuple[psutil.Process, Kind]]:
        spaces = {os.readlink(f"/proc/{host.pid}/ns/pid") for host in self._hosts}
        for process in psutil.process_iter():
            # Of some that end meanwhile nothing is known.
            with contextlib.suppress(psutil.Error, OSError):
                if os.readlink(f"/proc/{process.pid}/ns/pid") in spaces:
                    parent = process.parent()
                    above = "" if parent is None else " ".join(parent.cmdline())
                    yield process, kind_of(" ".join(process.cmdline()), above)

    def seconds(self) -> Mapping[Kind, float]:
        """The processor time of all that run now, by kind."""
        used = dict.fromkeys(Kind, 0.0)
        for process, kind in self._all():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used[kind] += times.user + times.system
        return used

    def memory_of_actors(self) -> float:
        """What an actor has of its own, in MB: the mean of some of them."""
        found: list[float] = []
        for process, kind in self._all():
            if kind is Kind.ACTOR and len(found) < _SAMPLED:
                with contextlib.suppress(psutil.Error):
                    found.append(process.memory_full_info().uss / 1e6)
        return sum(found) / len(found) if found else 0.0

    def sent_by_learners_host(self) -> int:
        """The bytes that the learner's host has sent to the others so far."""
        for process, kind in self._all():
            if kind is Kind.LEARNER:
                space = os.readlink(f"/proc/{process.pid}/ns/pid")
                for host in self._hosts:
                    if os.readlink(f"/proc/{host.pid}/ns/pid") == space:
                        with open(f"/proc/{host.pid}/net/dev", encoding="ascii") as file:
                            return sent(file.readlines(), "eth0")
        return 0


def sent(lines: Sequence[str], interface: str) -> int:
    """The bytes that an interface has sent, of the lines of /proc/net/dev; 0 without it."""
    for line in lines:
        name, _, numbers = line.partition(":")
        if name.strip() == interface:
            return int(numbers.split()[8])
    return 0
