"""Whether the supervising process of a run is on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run import result as run_result
from quinoa.launch.run.process_list import ProcessIdentity
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


def supervisor_of(folder: RunFolder) -> ProcessIdentity | None:
    """The process that runs or supervises a run; None where it is not on this machine.

    Of a run that is over it may still be there: it is the program that has called `quinoa.train`.

    Raises:
        RunError: the list of processes is damaged, or how the run ended.
    """
    engine = process_list.read(folder.processes).engine
    if engine is None or not engine.is_alive() or run_result.read(folder.result) is not None:
        return None
    return engine


def are_logs_elsewhere(folder: RunFolder, logs: Collection[str], names: Sequence[str]) -> bool:
    """Whether other hosts of a cluster have logs that the folder of a run has not.

    Args:
        folder: of the run.
        logs: the names of the processes whose logs the folder has.
        names: of the processes whose logs are wanted; empty for those of all.

    Raises:
        RunError: the list of processes is damaged.
    """
    if not folder.experiment.is_file():
        return True
    nodes = process_list.read(folder.processes).nodes
    # The processes of a run on one machine have no host.
    return any(
        node.host is not None and node.name not in logs and (not names or node.name in names)
        for node in nodes
    )


def require_processes(folder: RunFolder) -> None:
    """Checks that a run has processes that act.

    Raises:
        RunError: it has none: it is all in one process, or learns without actors.
    """
    roles = {node.role for node in process_list.read(folder.processes).nodes}
    if roles and Role.ACTOR not in roles:
        raise RunError(f"{folder.root} learns without actors: it has none to add or stop.")
    if Role.ACTOR not in roles:
        raise RunError(f"{folder.root} is all in one process: it has no actors to add or stop.")


def require_elsewhere(folder: RunFolder) -> None:
    """Checks that a run may be under way on another machine.

    Raises:
        RunError: it is not, by what its folder says.
    """
    if not folder.experiment.is_file():
        return
    engine = process_list.read(folder.processes).engine
    if run_result.read(folder.result) is not None or engine is None or engine.is_alive() is False:
        raise RunError(f"{folder.root} is not under way.")
