"""What befalls the hosts of a cluster and its network, one function a kind; see `faults`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import psutil

from tests.chaos import environment
from tests.chaos.cluster_run import ClusterRun
from tests.chaos.faults import Fault, misbehave
from tests.chaos.run_under_test import ROLES, wait_until
from tests.cluster.hosts import Host

# Seconds that a host stays off, a link slow, and a disk full.
_OFF_S = 20.0
_SLOW_S = 30.0
_FULL_S = 15.0
_HOST_AGENT = "ray::HostAgent"
_SERVICES = ("learner-0", "replay-0", "counter-0")

_Choose = Callable[[ClusterRun, random.Random], Host]


def _of_services(subject: ClusterRun, rng: random.Random) -> Host:
    """The host of learner and replay, where that is not the head."""
    del rng
    host = subject.host_of("learner-0")
    return host if host is not subject.hosts.head else _of_actors(subject, random.Random(0))


def _of_actors(subject: ClusterRun, rng: random.Random) -> Host:
    """A host that has no service and is not the head, and a process of the run if one is there."""
    services = [subject.hosts.head, *(subject.host_of(name) for name in _SERVICES)]
    others = [host for host in subject.hosts if host not in services]
    busy = [subject.host_of(name) for name in ROLES if name not in _SERVICES]
    return rng.choice([host for host in others if host in busy] or others)


def _head(subject: ClusterRun, rng: random.Random) -> Host:
    del rng
    return subject.hosts.head


def _any(subject: ClusterRun, rng: random.Random) -> Host:
    return rng.choice(list(subject.hosts))


def _lose(choose: _Choose) -> Callable[[ClusterRun, random.Random], None]:
    def inflict(subject: ClusterRun, rng: random.Random) -> None:
        host = choose(subject, rng)
        host.kill()
        time.sleep(_OFF_S)
        host.boot()

    return inflict


def _cut(choose: _Choose, seconds: float) -> Callable[[ClusterRun, random.Random], None]:
    def inflict(subject: ClusterRun, rng: random.Random) -> None:
        host = choose(subject, rng)
        host.cut()
        time.sleep(seconds)
        host.mend()

    return inflict


def _slow(subject: ClusterRun, rng: random.Random) -> None:
    host = _any(subject, rng)
    host.slow(latency_ms=200, loss=0.02)
    time.sleep(_SLOW_S)
    host.slow()


def _fill_disk(subject: ClusterRun, rng: random.Random) -> None:
    host = _any(subject, rng)
    host.fill_disk()
    time.sleep(_FULL_S)
    host.free_disk()


def _kill_one(text: str) -> Callable[[ClusterRun, random.Random], None]:
    """Kills one of the processes whose command line has a text."""

    def inflict(subject: ClusterRun, rng: random.Random) -> None:
        wait_until(lambda: bool(subject.of_ray(text)), f"{text} is there", subject)
        process: psutil.Process = rng.choice(subject.of_ray(text))
        process.kill()
        process.wait(10)
        wait_until(lambda: bool(subject.of_ray(text)), f"{text} is there again", subject)

    return inflict


def _kill_host_agent(subject: ClusterRun, rng: random.Random) -> None:
    """Kills what carries the processes of a host, which all start again, there or elsewhere."""
    hosts = subject.hosts_of_nodes()
    host = rng.choice(sorted(set(hosts.values()), key=lambda each: each.name))
    lost = {node for node, of in hosts.items() if of is host}
    known = len(subject.events())
    for process in subject.of_ray(_HOST_AGENT, host):
        process.kill()
    wait_until(lambda: lost <= set(subject.back_since(known)), f"{sorted(lost)} are back", subject)


def _kill_raylet(subject: ClusterRun, rng: random.Random) -> None:
    host = rng.choice([host for host in subject.hosts if host is not subject.hosts.head])
    for process in subject.of_ray("raylet/raylet", host):
        process.kill()


def _kill_node(*names: str) -> Callable[[ClusterRun, random.Random], None]:
    def inflict(subject: ClusterRun, rng: random.Random) -> None:
        name = rng.choice(names)
        known = len(subject.events())
        subject.process(name).kill()
        wait_until(lambda: name in subject.back_since(known), f"{name} is back", subject)

    return inflict


FAULTS = (
    Fault("host of actors switched off", _lose(_of_actors), 4),
    Fault("host of learner and replay switched off", _lose(_of_services), 4),
    Fault("link of a host of actors cut for 10 s", _cut(_of_actors, 10), 4),
    Fault("link of learner and replay cut for 10 s", _cut(_of_services, 10), 4),
    Fault("link of a host of actors cut for 60 s", _cut(_of_actors, 60), 3),
    Fault("link of learner and replay cut for 60 s", _cut(_of_services, 60), 3),
    Fault("head's link cut for 10 s", _cut(_head, 10), 3),
    Fault("head's link cut for 60 s", _cut(_head, 60), 2),
    Fault("a link of 200 ms that loses 2 % for 30 s", _slow, 4),
    Fault("full disk of a host for 15 s", _fill_disk, 4),
    Fault("SIGKILL to a gateway", _kill_one("engines.ray.gateway.main"), 6),
    Fault("SIGKILL to the actor of a host", _kill_host_agent, 12),
    Fault("SIGKILL to the supervisor", _kill_one("ray::RunServer"), 4),
    Fault("SIGKILL to Ray's node", _kill_raylet, 4),
    Fault(
        "SIGKILL to an actor or the evaluator", _kill_node("actor-0", "actor-1", "evaluator-0"), 6
    ),
    Fault("SIGKILL to a service", _kill_node(*_SERVICES), 6),
    Fault("environment raises", misbehave(environment.RAISE), 8),
    Fault("environment returns NaN", misbehave(environment.NAN), 8),
)
