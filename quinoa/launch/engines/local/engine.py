"""The engine for this machine: one process a node."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import portpicker

from quinoa.launch import program
from quinoa.launch.checkpoints import replay_checkpoints
from quinoa.launch.engines import executables, lifecycle, signals
from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.lifecycle import NodeStart
from quinoa.launch.engines.local import warm_parent
from quinoa.launch.engines.local.starter import Starter
from quinoa.launch.engines.local.warm_parent import WarmParent
from quinoa.launch.engines.process import Start
from quinoa.launch.engines.settings import LocalSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import private_network, temporary_folder
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.host_parameters import SharedMemory
from quinoa.launch.nodes.topology import SERVICES
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
            contextlib.closing(SharedMemory()) as parameters,
        ):
            addresses = _free_addresses()
            described = program.make_program(experiment, folder, addresses)
            with temporary_folder.explaining_errors():
                nodes = executables.write(described, Path(temporary))

            def tell_of_loss(text: str) -> None:
                events.append(folder.events, EventKind.WARM_PARENT_LOST, "warm-parent", text=text)

            starter = Starter(
                experiment,
                self._context.environment,
                folder=self._context.folder,
                temporary=Path(temporary),
                logs=folder.logs,
                network=network,
                parameters=parameters.descriptor,
                warm=warm,
                # Where the run is to end, no process waits for imports.
                give_up=lambda: stop.count > 0,
                on_loss=tell_of_loss,
            )

            # The first that is forked waits until the warm parent has imported everything, so those
            # that import for themselves start before; then the learner, for which all others wait.
            nodes.sort(key=lambda node: (starter.is_forked(node), node.role is not Role.LEARNER))

            def actor(index: int) -> Start:
                added = executables.write_actor(
                    experiment, folder, addresses, index, Path(temporary)
                )
                return functools.partial(starter.start, added)

            return lifecycle.run(
                [NodeStart(node.role, functools.partial(starter.start, node)) for node in nodes],
                folder,
                on_status,
                stop,
                hang_timeout_s=self._settings.hang_timeout_s,
                actor=actor if experiment.config.has_actors else None,
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
