"""What the process of each node runs, as files that a process on any machine can read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.launch.run.roles import Role, node_name

if TYPE_CHECKING:
    import launchpad as lp

    from quinoa.launch.experiment import Experiment
    from quinoa.launch.nodes.addresses import Addresses
    from quinoa.launch.run.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class NodeExecutable:
    """What the process of one node runs.

    Attributes:
        role: what the node does.
        index: of the node among those of its role, from 0.
        file: has the function that the process calls, pickled by cloudpickle.
    """

    role: Role
    index: int
    file: Path

    @property
    def name(self) -> str:
        """The name of the node in logs, events and the list of processes."""
        return node_name(self.role, self.index)


def write(program: lp.Program, folder: Path) -> list[NodeExecutable]:
    """Writes what each node of a program runs.

    Args:
        program: of `make_program`.
        folder: a folder to which only this user can write: anyone else who could might run code as
            this user.

    Returns:
        One executable for each node, in the program's order.

    Raises:
        OSError: a file cannot be written.
        RuntimeError: something that the nodes need cannot be pickled.
    """
    return [
        _write(Role(label), index, node, folder)
        for label, nodes in program.groups.items()
        for index, node in enumerate(nodes)
    ]


def write_actor(
    experiment: Experiment, run: RunFolder, addresses: Addresses, index: int, folder: Path
) -> NodeExecutable:
    """Writes what an actor runs that is added to a run under way; see `write`.

    Args:
        experiment: what is run.
        run: the run's folder.
        addresses: where the services of the run listen.
        index: of the actor; the experiment may have fewer.
        folder: see `write`.
    """
    from quinoa.launch.program import make_program

    program = make_program(dataclasses.replace(experiment, num_actors=index + 1), run, addresses)
    return _write(Role.ACTOR, index, program.groups[Role.ACTOR][index], folder)


def _write(role: Role, index: int, node: lp.PyNode, folder: Path) -> NodeExecutable:
    # Not above: a node's process, which imports this too, must import TensorFlow before Launchpad.
    import launchpad as lp
    from launchpad.launch import serialization

    node.launch_context.initialize(lp.LaunchType.LOCAL_MULTI_PROCESSING, launch_config=None)
    executable = NodeExecutable(role, index, folder / f"{node_name(role, index)}.pickle")
    serialization.serialize_functions(str(executable.file), str(role), [node.function])
    return executable
