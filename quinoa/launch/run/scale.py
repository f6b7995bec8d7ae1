"""How many actors a run under way is to have: a user asks, and the run's engine does it."""

from __future__ import annotations

import contextlib

from quinoa.launch.errors import RunError
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json
from quinoa.launch.storage.saved_json import parsing_file, read_object


def ask(folder: RunFolder, num_actors: int) -> None:
    """Asks a run to have so many actors.

    Raises:
        OSError: its folder cannot be written.
    """
    write_json(folder.scale, {"num_actors": num_actors})


def wanted(folder: RunFolder) -> int | None:
    """The number of actors that was asked for last; None where none was, or nobody can tell.

    It is 1 at least: a run is over when its actors are done, so none at all would end it.
    """
    with contextlib.suppress(RunError):
        fields = read_object(folder.scale)
        with parsing_file(folder.scale):
            num_actors = 0 if fields is None else int(fields["num_actors"])
            return num_actors if num_actors >= 1 else None
    return None


def forget(folder: RunFolder) -> None:
    """Forgets what was asked of a run before: its experiment has that number now."""
    with contextlib.suppress(OSError):
        folder.scale.unlink()
