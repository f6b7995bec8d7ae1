"""The engine for this machine: one process a node."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import portpicker

from quinoa.launch import program
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.engines import executables, lifecycle, node_environment, signals
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.lifecycle import NodeStart
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.local.processes import Fork, LocalProcess
from quinoa.launch.engines.local.warm_parent import (
    ForkedProcess,
    NodeProgram,
    WarmParent,
    WarmParentError,
)
from quinoa.launch.engines.process import Start
from quinoa.launch.engines.settings import LocalSettings
from quinoa.launch.engines.signals import StopSignals
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import private_network, temporary_folder
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.topology import KINDS, SERVICES
from quinoa.launch.run import events
from quinoa.launch.run.events import EventKind
from quinoa.launch.run.result import RunResult
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.run.status import Status
from quinoa.launch.terminal.output import say


class LocalEngine:
    """Runs an experiment's program as processes of this machine, in the current terminal."""

    replay_form = replay_checkpoints.REVERB_FORMAT
    is_one_process = False

    def __init__(self, context: ProcessContext, settings: LocalSettings):
        """Starts nothing yet."""
        self._context = context
        self._settings = settings

    def check(self, experiment: Experiment) -> None:
        """See `Engine.check`.

        It needs room for temporary files, and a private network where one is required.
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
        on_status: Callable[[Status], None],
    ) -> RunResult:
        """See `Engine.run`."""
        with (
            signals.caught() as stop,
            self._network() as network,
            self._warm_parent() as warm,
            temporary_folder.create() as temporary,
        ):
            addresses = _free_addresses()
            described = program.make_program(experiment, folder, addresses)
            with temporary_folder.explaining_errors():
                nodes = executables.write(described, Path(temporary))

            fork = _forking(warm, folder, stop)

            def environment(executable: NodeExecutable) -> Mapping[str, str]:
                return node_environment.variables(
                    executable.role, experiment, self._context.environment, temporary=temporary
                )

            def is_forked(executable: NodeExecutable) -> bool:
                uses_tensorflow = KINDS[executable.role].uses_tensorflow
                return uses_tensorflow and warm.can_run(environment(executable))

            def start(executable: NodeExecutable) -> LocalProcess:
                return LocalProcess.start(
                    executable,
                    environment=environment(executable),
                    network=network,
                    nice=KINDS[executable.role].nice,
                    logs=folder.logs,
                    folder=self._context.folder,
                    fork=fork if is_forked(executable) else None,
                )

            # The first that is forked waits until the warm parent has imported everything, so those
            # that import for themselves start before; then the learner, for which all others wait.
            nodes.sort(key=lambda node: (is_forked(node), node.role is not Role.LEARNER))

            def actor(index: int) -> Start:
                added = executables.write_actor(
                    experiment, folder, addresses, index, Path(temporary)
                )
                return functools.partial(start, added)

            return lifecycle.run(
                [NodeStart(node.role, functools.partial(start, node)) for node in nodes],
                folder,
                on_status,
                stop,
                hang_timeout_s=self._settings.hang_timeout_s,
                actor=actor,
            )

    def _warm_parent(self) -> contextlib.AbstractContextManager[WarmParent]:
        if self._context.warm_parent is not None:
            return contextlib.nullcontext(self._context.warm_parent)
        return warm_parent.started(self._context.environment, self._context.folder)

    def _network(self) -> contextlib.AbstractContextManager[Sequence[int]]:
        """Gives the descriptors of the private network; none where there is no such network."""
        if not self._settings.private_network:
            return contextlib.nullcontext(())
        return private_network.create_if_possible(
            _refuse_open_ports if self._settings.require_private else _note_open_ports
        )


def _forking(warm: WarmParent, folder: RunFolder, stop: StopSignals) -> Fork:
    """Has processes forked from a warm parent; once it is lost, says so in the run's events."""

    def fork(program: NodeProgram) -> ForkedProcess | None:
        try:
            # Where the run is to end, it does not wait for imports.
            return warm.fork(program, lambda: stop.count > 0)
        except WarmParentError as error:
            text = (
                f"The process that nodes are forked from is lost ({error}); those that start from "
                "now on import TensorFlow anew."
            )
            events.append(folder.events, EventKind.WARM_PARENT_LOST, "warm-parent", text=text)
            return None

    return fork


def _free_addresses() -> FixedAddresses:
    """An address on this machine for each service, with a port that nothing uses now."""
    return FixedAddresses({role: f"localhost:{portpicker.pick_unused_port()}" for role in SERVICES})


def _note_open_ports(error: OSError) -> None:
    say(
        f"quinoa: note: no private network can be made here ({error}): while the run lasts, "
        "anyone who reaches this machine's ports can reach its processes.",
        sys.stderr,
    )


def _refuse_open_ports(error: OSError) -> None:
    raise ExperimentError(
        f"No private network can be made here ({error}), and --require_private wants one: allow "
        "unprivileged user namespaces, or run without --require_private where every user of "
        "this machine and everyone who reaches its ports is trusted."
    ) from error
