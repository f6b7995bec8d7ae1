"""Starts the processes of a run's nodes on this machine: forked where that can be, or executed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from quinoa.launch.engines import node_environment
from quinoa.launch.engines.executables import NodeExecutable
from quinoa.launch.engines.local.processes import LocalProcess
from quinoa.launch.engines.local.warm_parent import (
    ForkedProcess,
    NodeProgram,
    WarmParent,
    WarmParentError,
)
from quinoa.launch.experiment import Experiment
from quinoa.launch.nodes.topology import KINDS
from quinoa.launch.run.roles import Role


@dataclasses.dataclass(frozen=True)
class Starter:
    """Starts processes of one run; for the thread that has started the warm parent.

    Attributes:
        experiment: what is run.
        inherited: the variables of the user's shell; see `ProcessContext`.
        folder: the folder that the processes start in, an absolute path.
        temporary: the folder for their temporary files.
        logs: the folder of their logs, an absolute path.
        network: what `private_network.join` takes; empty for the network of this process.
        parameters: `SharedMemory.descriptor`, which actors share.
        warm: what processes are forked from.
        give_up: whether a process is to be executed rather than wait for the warm parent.
        on_loss: called once with a line for the run's events, if the warm parent is lost.
    """

    experiment: Experiment
    inherited: Mapping[str, str]
    folder: Path
    temporary: Path
    logs: Path
    network: Sequence[int]
    parameters: int
    warm: WarmParent
    give_up: Callable[[], bool]
    on_loss: Callable[[str], object]

    def is_forked(self, executable: NodeExecutable) -> bool:
        """Whether the process of a node is forked, unless the warm parent is lost."""
        return self.warm.can_run(self._environment(executable))

    def start(
        self, executable: NodeExecutable, own: Mapping[str, str] = MappingProxyType({})
    ) -> LocalProcess:
        """Starts the process of a node.

        Args:
            executable: what it runs.
            own: environment variables of this process alone.

        Raises:
            OSError: there is no process, or no memory, to be had.
        """
        return LocalProcess.start(
            executable,
            environment=self._environment(executable, own),
            network=self.network,
            nice=KINDS[executable.role].nice,
            logs=self.logs,
            folder=self.folder,
            fork=self._fork if self.is_forked(executable) else None,
            parameters=self.parameters if executable.role == Role.ACTOR else None,
        )

    def _environment(
        self, executable: NodeExecutable, own: Mapping[str, str] = MappingProxyType({})
    ) -> Mapping[str, str]:
        inherited = {**self.inherited, **own}
        return node_environment.variables(
            executable.role, self.experiment, inherited, temporary=str(self.temporary)
        )

    def _fork(self, program: NodeProgram) -> ForkedProcess | None:
        try:
            return self.warm.fork(program, self.give_up)
        except WarmParentError as error:
            self.on_loss(
                f"The process that nodes are forked from is lost ({error}); those that start from "
                "now on import TensorFlow anew."
            )
            return None
