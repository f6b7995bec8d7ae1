"""Whether the supervising process of a run is on this machine."""

from __future__ import annotations

from collections.abc import Collection

from quinoa.launch.errors import RunError
from quinoa.launch.run import process_list
from quinoa.launch.run import result as run_result
from quinoa.launch.run.process_list import ProcessIdentity
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder


def supervisor_of(folder: RunFolder) -> ProcessIdentity | None:
    """The process that runs or supervises a run; None where it is not on this machine.

    Raises:
        RunError: the list of processes is damaged.
    """
    engine = process_list.read(folder.processes).engine
    return engine if engine is not None and engine.is_alive() else None


def has_logs_of_all(folder: RunFolder, logs: Collection[str]) -> bool:
    """Whether a folder has all logs that there are of a run: not so of one on several hosts.

    Args:
        folder: of the run.
        logs: the names of the processes whose logs the folder has.

    Raises:
        RunError: the list of processes is damaged.
    """
    nodes = process_list.read(folder.processes).nodes
    return folder.experiment.is_file() and all(node.name in logs for node in nodes)


def require_processes(folder: RunFolder) -> None:
    """Checks that a run has processes that act.

    Raises:
        RunError: it has none: it is all in one process.
    """
    if not any(node.role is Role.ACTOR for node in process_list.read(folder.processes).nodes):
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
