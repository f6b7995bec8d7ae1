"""What each node needs of a host, and which nodes are to be together."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine.sizing import LearnerHost
from quinoa.launch.run.roles import Role

if TYPE_CHECKING:
    from ray.util.placement_group import PlacementGroup

# Those that exchange most: a learner samples from replay many times faster than actors write.
TOGETHER = (Role.LEARNER, Role.REPLAY, Role.COUNTER)
# Cores of the counter, which waits for reports nearly all of its time.
_COUNTER_CPUS = 0.1
_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
# Seconds for a host to start a worker and to answer.
_ANSWER_S = 60.0
# A share of a host's own resource in Ray, which places a node there and nowhere else.
_HERE = 0.001


@dataclasses.dataclass(frozen=True)
class Place:
    """A host of the cluster.

    Attributes:
        host: Ray's name of it.
        name: its own name, for messages.
        address: its address in the cluster.
    """

    host: str
    name: str
    address: str


def needs(
    role: Role, experiment: Experiment, *, actor_cpus: float, has_gpus: bool
) -> dict[str, float]:
    """Ray's resources for the process of one node.

    Args:
        role: what the node does.
        experiment: what is run.
        actor_cpus: cores for an actor, and for the evaluator.
        has_gpus: whether the cluster has a GPU.
    """
    if role == Role.LEARNER:
        # Until `learner_threads` has found out how many there can be, one at least.
        cpus = float(experiment.learner_threads or 1)
        return {"CPU": cpus, "GPU": 1.0} if has_gpus else {"CPU": cpus}
    if role == Role.COUNTER:
        return {"CPU": _COUNTER_CPUS}
    return {"CPU": 1.0 if role == Role.REPLAY else actor_cpus}


def learner_threads(
    hosts: Sequence[Mapping[str, float]],
    for_learner: Sequence[Mapping[str, float]],
    experiment: Experiment,
    *,
    actor_cpus: float,
) -> int:
    """How many threads the learner has where the user does not say.

    As many as its host has cores beside those of replay and the counter, but no more than the
    cluster leaves when all actors and the evaluator have theirs; at least 1.

    Args:
        hosts: Ray's resources of each host.
        for_learner: of those that the learner may be on; with a GPU, where one of them has one.
        experiment: what is run.
        actor_cpus: see `needs`.
    """
    beside = sum(
        needs(role, experiment, actor_cpus=actor_cpus, has_gpus=False)["CPU"]
        for role in TOGETHER
        if role != Role.LEARNER
    )
    with_gpu = [host for host in for_learner if host.get("GPU", 0.0) >= 1]
    of_host = max((host.get("CPU", 0.0) for host in with_gpu or for_learner), default=0.0)
    of_cluster = sum(host.get("CPU", 0.0) for host in hosts)
    acting = actor_cpus * (experiment.num_actors + 1)
    return max(math.floor(min(of_host, of_cluster - acting) - beside), 1)


def learner_host(experiment: Experiment, *, actor_cpus: float) -> LearnerHost:
    """What the learner may have in the cluster that this process is connected to.

    Args:
        experiment: what is to be run.
        actor_cpus: see `needs`.
    """
    import ray

    hosts = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    threads = experiment.learner_threads
    if threads is None:
        threads = learner_threads(hosts, hosts, experiment, actor_cpus=actor_cpus)
    return LearnerHost(threads, gpu=any(host.get("GPU", 0.0) >= 1 for host in hosts))


def check(totals: Mapping[str, float], experiment: Experiment, *, actor_cpus: float) -> None:
    """Checks that a cluster has the cores for a run with one actor.

    Args:
        totals: Ray's resources of the whole cluster.
        experiment: what is run.
        actor_cpus: see `needs`.

    Raises:
        ExperimentError: it has not.
    """
    has_gpus = totals.get("GPU", 0.0) >= 1
    wanted = sum(
        needs(role, experiment, actor_cpus=actor_cpus, has_gpus=has_gpus)["CPU"]
        for role in (*TOGETHER, Role.ACTOR, Role.EVALUATOR)
    )
    there = totals.get("CPU", 0.0)
    if wanted > there:
        raise ExperimentError(
            f"A run with one actor takes {wanted:g} processor cores, and the cluster has "
            f"{there:g}: add hosts, or set --learner_threads or --actor_cpus lower."
        )


def check_host(there: Mapping[str, float], experiment: Experiment, *, has_gpus: bool) -> None:
    """Checks that a host has what learner, replay and counter need, where they can be on no other.

    Args:
        there: Ray's resources of the host.
        experiment: what is run.
        has_gpus: whether the cluster has a GPU.

    Raises:
        ExperimentError: it has not.
    """
    # None of them acts.
    each = [needs(role, experiment, actor_cpus=0.0, has_gpus=has_gpus) for role in TOGETHER]
    wanted = {name: sum(of.get(name, 0.0) for of in each) for name in ("CPU", "GPU")}
    if any(there.get(name, 0.0) < amount for name, amount in wanted.items()):
        gpu = " and a GPU" if has_gpus else ""
        raise ExperimentError(
            "The run's folder is on this host alone, so learner, replay and counter must run here, "
            f"which takes {wanted['CPU']:g} processor cores{gpu}. This host has "
            f"{there.get('CPU', 0.0):g} and {there.get('GPU', 0.0):g} GPUs: start the run on one "
            "that has more, give a --folder that all hosts share, or set --learner_threads lower."
        )


class Reservation:
    """Room for one process on a host that Ray chooses: a bundle of a placement group.

    Ray counts its resources as used, and chooses another host when it takes this one for dead. No
    process of Ray's goes with it.
    """

    def __init__(
        self, group: PlacementGroup, bundle: int = 0, *, is_alone: bool = True, gpus: float = 0.0
    ):
        """Takes a bundle of a group.

        Args:
            group: the group.
            bundle: its index there.
            is_alone: whether the group has no other, and goes with it.
            gpus: the GPUs in the bundle.
        """
        self._group = group
        self._bundle = bundle
        self._is_alone = is_alone
        self._gpus = gpus

    def place(self, seconds: float) -> Place | None:
        """Where it is; None if Ray has no room for it within so many seconds."""
        import ray

        if not self._group.wait(seconds):
            return None
        table = ray.util.placement_group_table(self._group)
        host = table["bundles_to_node_id"].get(self._bundle)
        if table["state"] != "CREATED":
            # The host has died, and Ray looks for another.
            return None
        for node in ray.nodes():
            if node["NodeID"] == host and node["Alive"]:
                return Place(host, node["NodeManagerHostname"], node["NodeManagerAddress"])
        return None

    def variables(self) -> dict[str, str]:
        """What tells a process which of its host's GPUs are its own.

        Raises:
            ray.exceptions.RayError: the host is lost, or does not answer.
        """
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        if not self._gpus:
            return {}

        def visible() -> str:
            return os.environ[_VISIBLE_GPUS]

        # Ray tells that to its own workers only. A bundle has the same ones all the time.
        asked = (
            ray.remote(visible)
            .options(
                num_cpus=0,
                num_gpus=self._gpus,
                max_retries=0,
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, self._bundle),
            )
            .remote()
        )
        return {_VISIBLE_GPUS: ray.get(asked, timeout=_ANSWER_S)}

    def release(self) -> None:
        """Gives the room back."""
        import ray

        if self._is_alone:
            ray.util.remove_placement_group(self._group)


def together(
    experiment: Experiment, *, actor_cpus: float, has_gpus: bool, on_host: str | None
) -> PlacementGroup:
    """Reserves what learner, replay and counter need, on one host if one has it all.

    Args:
        experiment: what is run.
        actor_cpus: see `needs`.
        has_gpus: likewise.
        on_host: the address of the host that they are to be on; None for any.
    """
    import ray

    bundles: list[dict[str, float]] = []
    for role in TOGETHER:
        bundle = needs(role, experiment, actor_cpus=actor_cpus, has_gpus=has_gpus)
        if on_host is not None:
            bundle[f"node:{on_host}"] = _HERE
        bundles.append(bundle)
    group: PlacementGroup = ray.util.placement_group(bundles, strategy="PACK")
    return group


def reserve(
    role: Role,
    experiment: Experiment,
    group: PlacementGroup,
    *,
    actor_cpus: float,
    has_gpus: bool,
) -> Reservation:
    """Reserves what the process of a node needs.

    Args:
        role: what the node does.
        experiment: what is run.
        group: of `together`.
        actor_cpus: see `needs`.
        has_gpus: likewise.
    """
    import ray

    own = needs(role, experiment, actor_cpus=actor_cpus, has_gpus=has_gpus)
    if role in TOGETHER:
        index = TOGETHER.index(role)
        return Reservation(group, index, is_alone=False, gpus=own.get("GPU", 0.0))
    # On the host that has most left, which spreads them.
    return Reservation(ray.util.placement_group([own], strategy="PACK"))
