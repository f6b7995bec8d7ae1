"""The engine for this machine: one process a node."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import launchpad as lp
from absl import flags
from launchpad.nodes.python.local_multi_processing import PythonProcess

from quinoa.launch import program
from quinoa.launch.checkpoints import learner_checkpoints, replay_checkpoints
from quinoa.launch.engines import signals
from quinoa.launch.engines.base import Outcome, RunResult, Settings
from quinoa.launch.engines.local import private_network
from quinoa.launch.engines.local.processes import NodeProcess, wait
from quinoa.launch.engines.restarts import Restarts
from quinoa.launch.engines.supervision import Node, Supervisor
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import process_environment, temporary_folder
from quinoa.launch.machine.sizing import usable_cores
from quinoa.launch.nodes.exit_codes import RUN_IS_OVER, TOLD_TO_STOP
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.process_list import ProcessList
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import read_json
from quinoa.launch.terminal.output import say

# Seconds between two looks at the processes, and at the status.
_POLL_S = 0.1
_STATUS_S = 0.5
# Seconds that a group of processes has to stop in, before it is killed: all together less than 10,
# but for a learner that is only starting, and for last checkpoints that take long to write, of the
# learner or of what replay holds (10 s for a million transitions with both cores busy).
_GRACE_S = {Role.LEARNER: 60.0, Role.COUNTER: 3.0, Role.REPLAY: 60.0}
_DEFAULT_GRACE_S = 5.0
# A learner that waits for the evaluator is worse than an evaluation that takes longer; but on a
# machine with much else to do, the evaluator must get its turn too.
_NICE = {Role.EVALUATOR: 5}


class LocalEngine:
    """Runs an experiment's program as processes of this machine, in the current terminal."""

    replay_form = replay_checkpoints.REVERB_FORMAT
    is_one_process = False

    def __init__(self, settings: Settings):
        """Starts nothing yet."""
        self._settings = settings

    def check(self, experiment: Experiment) -> None:
        """See `Engine.check`: it runs all, where there is room for temporary files.

        But not where nobody else may reach the ports and somebody can.
        """
        del experiment
        temporary_folder.require_room()
        if self._settings.require_private:
            with self._network():
                pass

    def run(
        self,
        experiment: Experiment,
        folder: RunFolder,
        on_status: Callable[[Mapping[str, Any]], None],
    ) -> RunResult:
        """See `Engine.run`."""
        nodes: list[Node] = []
        with (
            signals.caught() as stop,
            self._network() as network,
            temporary_folder.create() as temporary,
        ):
            try:
                described = program.make_program(experiment, folder)
                with temporary_folder.explaining_errors():
                    executables = _executables(described, temporary)
                for group, index, arguments in executables:
                    start = functools.partial(
                        NodeProcess.start,
                        group,
                        f"{group}-{index}",
                        arguments,
                        environment={**self._environment(group, experiment), "TMPDIR": temporary},
                        network=network,
                        nice=_NICE.get(group, 0),
                        tensorflow=group in program.USE_TENSORFLOW,
                        logs=folder.logs,
                        folder=self._settings.folder,
                    )
                    learned = functools.partial(learner_checkpoints.all_of, folder.checkpoints)
                    nodes.append(
                        Node(
                            start,
                            may_end=group == program.WORKERS,
                            progress=learned if group == Role.LEARNER else None,
                        )
                    )
                watch = _Watch(nodes, folder, on_status, self._settings.hang_timeout_s)
                return watch.until_the_end(stop)
            finally:
                for node in nodes:
                    node.process.kill()
                replay_checkpoints.remove_temporary(folder)

    def _network(self) -> contextlib.AbstractContextManager[Sequence[int]]:
        """What the processes join; nothing where there is no private network."""
        if not self._settings.private_network:
            return contextlib.nullcontext(())
        return private_network.made_if_possible(
            _refuse_open_ports if self._settings.require_private else _note_open_ports
        )

    def _environment(self, group: Role, experiment: Experiment) -> dict[str, str]:
        is_learner = group == Role.LEARNER
        threads = (experiment.learner_threads or usable_cores()) if is_learner else 1
        return process_environment.for_node(
            self._settings.inherited,
            threads=threads,
            gpu=is_learner,
            one_heap=group in (Role.ACTOR, Role.EVALUATOR),
        )


def _note_open_ports(error: OSError) -> None:
    say(
        f"quinoa: note: no private network can be made here ({error}): while the run lasts, "
        "whoever reaches this machine's ports can reach its processes.",
        sys.stderr,
    )


def _refuse_open_ports(error: OSError) -> None:
    raise ExperimentError(
        f"No private network can be made here ({error}), and --require_private wants one: allow "
        "unprivileged user namespaces, or run without --require_private where every user of "
        "this machine and everyone who reaches its ports is trusted."
    ) from error


def _executables(described: lp.Program, temporary: str) -> list[tuple[Role, int, list[str]]]:
    """Has Launchpad make each node something that runs.

    Args:
        described: the nodes.
        temporary: a folder for what the nodes are to find when they start.

    Returns:
        The group of each node, its index there, and the arguments for the entry of its process.
    """
    # Launchpad reads its flags, which the command line here does not have.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    launch_type = lp.LaunchType.LOCAL_MULTI_PROCESSING
    for nodes in described.groups.values():
        for node in nodes:
            node._initialize_context(launch_type, launch_config=PythonProcess())
    for group, nodes in described.groups.items():
        for node in nodes:
            for handle in node.input_handles:
                handle.connect(node, group)
    for node in described.get_all_nodes():
        node.bind_addresses()
    executables = []
    # Launchpad leaves its files wherever temporary ones go.
    before, tempfile.tempdir = tempfile.tempdir, temporary
    try:
        for group, nodes in described.groups.items():
            commands = nodes[0].to_executables(nodes, group, nodes[0].launch_context)
            for index, command in enumerate(commands):
                # The interpreter and the script are ours; a crash must not wait in a debugger.
                arguments = [a for a in command.command_as_list[2:] if a != "--pdb_post_mortem"]
                executables.append((Role(group), index, arguments))
    finally:
        tempfile.tempdir = before
    return executables


class _Watch:
    """Sees a run's processes to its end."""

    def __init__(
        self,
        nodes: Sequence[Node],
        folder: RunFolder,
        on_status: Callable[[Mapping[str, Any]], None],
        hang_timeout_s: float,
    ):
        self._nodes = nodes
        self._folder = folder
        self._on_status = on_status
        self._status: Mapping[str, Any] = {}
        self._processes = ProcessList(folder)
        roles = list(dict.fromkeys(node.process.group for node in nodes))
        self._restarts = Restarts(folder, roles, lambda: Counts.from_json(self._status))
        self._supervisor = Supervisor(
            nodes, folder.events, self._restarts, hang_timeout_s=hang_timeout_s
        )

    def until_the_end(self, stop: signals.StopSignals) -> RunResult:
        """Waits for the run's end, then stops what still runs, in order."""
        result = self._wait(stop)
        if result.outcome is not Outcome.FAILED:
            # The others' last words need somebody to hear them.
            self._supervisor.restart(
                [node for node in self._nodes if node.process.group in program.HEARERS]
            )
        # One that is still down has nothing to stop, and its failure would have been mended.
        running = [node.process for node in self._nodes if not node.is_down]
        while_stopping = _stop_in_order(running, stop)
        self._processes.write([])
        self._show_status()
        # What failed first is the cause; what fails while the rest is stopped may follow from it.
        if result.outcome is not Outcome.FAILED:
            result = while_stopping or result
        return dataclasses.replace(
            result, restarts=self._restarts.by_role, seconds_lost=self._restarts.seconds_lost
        )

    def _wait(self, stop: signals.StopSignals) -> RunResult:
        workers = [node for node in self._nodes if node.process.group == program.WORKERS]
        next_status = time.monotonic()
        while True:
            result = self._supervisor.tend()
            if result is not None:
                return result
            if all(node.is_done for node in workers):
                return RunResult(Outcome.FINISHED)
            if stop.count:
                return RunResult(Outcome.STOPPED)
            if time.monotonic() >= next_status:
                self._processes.write([node.described for node in self._nodes])
                self._show_status()
                next_status = time.monotonic() + _STATUS_S
            time.sleep(_POLL_S)

    def _show_status(self) -> None:
        try:
            self._status = read_json(self._folder.status)
        except (OSError, ValueError):  # The counter is starting, or the disk fails.
            return
        self._on_status({**self._status, "restarts": self._restarts.total})


def _stop_in_order(processes: Sequence[NodeProcess], stop: signals.StopSignals) -> RunResult | None:
    """Stops everything; returns a result if that went wrong."""
    problem = None

    def hastened() -> bool:
        return stop.count >= 2

    for groups in program.STOP_ORDER:
        stopping = [process for process in processes if process.group in groups]
        for process in stopping:
            process.terminate()
        grace_s = max(_GRACE_S.get(group, _DEFAULT_GRACE_S) for group in groups)
        wait(stopping, grace_s, hastened)
        for process in stopping:
            process.kill()
            if problem is None:
                problem = _problem(process, grace_s, hastened())
    return problem


def _problem(process: NodeProcess, grace_s: float, hastened: bool) -> RunResult | None:
    """What was wrong with how a process stopped."""
    if process.was_killed:
        # With any other nothing is lost but what replay has got since it was last saved: metrics
        # are written all the time.
        if process.group != Role.LEARNER:
            return None
        if hastened:
            return RunResult(Outcome.KILLED)
        error = f"{process.name} did not stop within {grace_s:.0f} s; its last steps are not saved."
        return RunResult(Outcome.FAILED, process.name, error)
    if process.exit_code not in (0, RUN_IS_OVER, TOLD_TO_STOP):
        return RunResult(Outcome.FAILED, process.name, process.failure())
    return None
