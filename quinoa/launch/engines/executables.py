"""What the process of each node runs, as files that a process on any machine can read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from quinoa.launch.run.roles import Role, node_name

if TYPE_CHECKING:
    import launchpad as lp


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


def write_actor(program: lp.Program, folder: Path) -> NodeExecutable:
    """Writes what the last actor of a program runs; see `write`."""
    actors = program.groups[Role.ACTOR]
    return _write(Role.ACTOR, len(actors) - 1, actors[-1], folder)


def _write(role: Role, index: int, node: lp.PyNode, folder: Path) -> NodeExecutable:
    # Not above: a node's process, which imports this too, must import TensorFlow before Launchpad.
    import launchpad as lp
    from launchpad.launch import serialization

    node.launch_context.initialize(lp.LaunchType.LOCAL_MULTI_PROCESSING, launch_config=None)
    executable = NodeExecutable(role, index, folder / f"{node_name(role, index)}.pickle")
    serialization.serialize_functions(str(executable.file), str(role), [node.function])
    return executable
