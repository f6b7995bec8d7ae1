"""The engine for a Ray cluster: one process a node, on the hosts that Ray chooses."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import portpicker

from quinoa.launch import program
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.engines import executables, lifecycle, signals
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.lifecycle import NodeStart
from quinoa.launch.engines.process import Start
from quinoa.launch.engines.ray import connection, placement, shared_folder
from quinoa.launch.engines.ray.host_processes import HostedRun, carried
from quinoa.launch.engines.ray.hosted_process import Task
from quinoa.launch.engines.ray.placement import Place, Reservation
from quinoa.launch.engines.ray.remote_process import RemoteProcess
from quinoa.launch.engines.settings import RaySettings
from quinoa.launch.engines.supervision import Node
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import temporary_folder
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.topology import SERVICES
from quinoa.launch.run import events
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.result import RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.terminal.output import say


class RayEngine:
    """Runs an experiment's program on the hosts of a Ray cluster."""

    replay_form = replay_checkpoints.REVERB_FORMAT
    is_one_process = False

    def __init__(self, context: ProcessContext, settings: RaySettings):
        """Starts nothing yet."""
        self._context = context
        self._settings = settings

    def check(self, experiment: Experiment) -> None:
        """See `Engine.check`: a cluster must answer, and have the cores for a run."""
        if not experiment.config.has_actors:
            raise ExperimentError(
                f"The agent {experiment.agent} has no actors to put on other hosts: all of its run "
                "is one learner. Run it with --engine=local."
            )
        temporary_folder.require_room()
        with connection.connected(self._settings.ray_address):
            import ray

            placement.check(
                ray.cluster_resources(), experiment, actor_cpus=self._settings.actor_cpus
            )

    def run(
        self,
        experiment: Experiment,
        folder: RunFolder,
        on_status: Callable[[Status], None],
    ) -> RunResult:
        """See `Engine.run`."""
        from quinoa.launch.engines.ray.hosts import Hosts

        with (
            signals.caught() as stop,
            connection.connected(self._settings.ray_address),
            temporary_folder.create() as temporary,
            shared_folder.marked(folder.root) as mark,
        ):
            # The same on every host: in the private network of a run, all are free.
            ports = {role: portpicker.pick_unused_port() for role in SERVICES}
            addresses = FixedAddresses({role: f"localhost:{port}" for role, port in ports.items()})
            described = program.make_program(experiment, folder, addresses)
            with temporary_folder.explaining_errors():
                nodes = executables.write(described, Path(temporary))

            def tell(text: str) -> None:
                events.append(folder.events, EventKind.WARM_PARENT_LOST, "warm-parent", text=text)

            room = _Room(self._settings, experiment, folder, mark)
            hosts = Hosts(
                ports,
                HostedRun(
                    room.experiment,
                    environment=carried(self._context.environment),
                    folder=self._context.folder,
                    run=folder,
                    mark=mark,
                    lease_s=self._settings.lease_s,
                ),
                private=self._settings.private_network,
                host_timeout_s=self._settings.host_timeout_s,
                not_private=self._not_private,
                on_note=tell,
            )
            started: collections.Counter[str] = collections.Counter()

            def start(executable: NodeExecutable) -> RemoteProcess:
                number = started[executable.name]
                started[executable.name] += 1
                task = Task(
                    key=f"{executable.name} {number}",
                    role=executable.role,
                    index=executable.index,
                    function=executable.file.read_bytes(),
                )
                reserve = functools.partial(room.reserve, executable.role)
                return RemoteProcess(task, reserve, hosts.ready, hosts.all_answer)

            def actor(index: int) -> Start:
                added = executables.write_actor(
                    experiment, folder, addresses, index, Path(temporary)
                )
                return functools.partial(start, added)

            try:
                return lifecycle.run(
                    [NodeStart(node.role, functools.partial(start, node)) for node in nodes],
                    folder,
                    on_status,
                    stop,
                    hang_timeout_s=self._settings.hang_timeout_s,
                    problem=TooFewActors(self._settings.min_actors, self._settings.host_timeout_s),
                    actor=actor,
                )
            finally:
                hosts.close()
                room.close()

    def _not_private(self, place: Place, why: str) -> None:
        if self._settings.require_private:
            raise OSError(
                f"{place.name} allows no private network ({why}), and --require_private wants one"
            )
        say(
            f"quinoa: note: {place.name} allows no private network ({why}): while the run lasts, "
            "anyone who reaches that host's ports can reach its processes.",
            sys.stderr,
        )


class TooFewActors:
    """Finds that a run has had fewer actors than it needs for too long."""

    def __init__(self, min_actors: int, patience_s: float):
        """Has found nothing yet.

        Args:
            min_actors: the actors that the run needs; 0 for none.
            patience_s: seconds that it may have fewer.
        """
        self._min_actors = min_actors
        self._patience_s = patience_s
        self._too_few_since: float | None = None

    def __call__(self, nodes: Sequence[Node]) -> str | None:
        """Returns what is wrong, if it is."""
        actors = [node for node in nodes if node.role == Role.ACTOR]
        present = sum(
            node.is_done or (not node.is_down and node.process.pid != 0) for node in actors
        )
        now = time.monotonic()
        if present >= min(self._min_actors, len(actors)):
            self._too_few_since = None
            return None
        if self._too_few_since is None:
            self._too_few_since = now
        if now - self._too_few_since < self._patience_s:
            return None
        return (
            f"Only {present} of {len(actors)} actors run, fewer than --min_actors="
            f"{self._min_actors} for {self._patience_s:.0f} s: add hosts and resume the run."
        )


class _Room:
    """Reserves what the processes of a run need of a cluster.

    Attributes:
        experiment: what is run, with the number of the learner's threads.
    """

    def __init__(self, settings: RaySettings, experiment: Experiment, folder: RunFolder, mark: str):
        import ray

        self._settings = settings
        self._has_gpus = ray.cluster_resources().get("GPU", 0.0) >= 1
        is_shared = shared_folder.is_everywhere(folder.root, mark)
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        hosts_of_learner = list(alive.values())
        if not is_shared:
            here = alive[ray.get_runtime_context().get_node_id()]
            placement.check_host(here, experiment, has_gpus=self._has_gpus)
            hosts_of_learner = [here]
        if experiment.learner_threads is None:
            threads = placement.learner_threads(
                list(alive.values()), hosts_of_learner, experiment, actor_cpus=settings.actor_cpus
            )
            experiment = dataclasses.replace(experiment, learner_threads=threads)
        self.experiment = experiment
        self._group = placement.together(
            experiment,
            actor_cpus=settings.actor_cpus,
            has_gpus=self._has_gpus,
            on_host=None if is_shared else ray.util.get_node_ip_address(),
        )

    def reserve(self, role: Role) -> Reservation:
        """Asks for room for the process of a node."""
        return placement.reserve(
            role,
            self.experiment,
            self._group,
            actor_cpus=self._settings.actor_cpus,
            has_gpus=self._has_gpus,
        )

    def close(self) -> None:
        """Gives back what was reserved."""
        import ray

        with contextlib.suppress(Exception):
            ray.util.remove_placement_group(self._group)
