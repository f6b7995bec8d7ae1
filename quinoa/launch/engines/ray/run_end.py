"""How a run in a cluster ended, kept in its folder for a server that Ray starts again.

A run whose server is lost stops in order, and is to be resumed; one that had ended before is not.
`result.json` says "stopped" of both.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from quinoa.launch.errors import RunError
from quinoa.launch.run import result as run_result
from quinoa.launch.run.result import Outcome
from quinoa.launch.run.run_folder import RunFolder
from quinoa.launch.storage.files import write_json
from quinoa.launch.storage.saved_json import parsing_file, read_object


@dataclasses.dataclass(frozen=True)
class RunEnd:
    """How a run ended, as its server tells it.

    Attributes:
        outcome: what the function that ran it returned; None if it raised.
        error: the name and the message of what it raised; None if it returned.
    """

    outcome: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None


def record(folder: RunFolder, end: RunEnd) -> None:
    """Writes how a run ended, where its folder can be written."""
    with contextlib.suppress(OSError):
        write_json(folder.cluster_end, dataclasses.asdict(end))


def forget(folder: RunFolder) -> None:
    """Forgets how the run in a folder ended before: it is about to be resumed."""
    with contextlib.suppress(OSError):
        folder.cluster_end.unlink()


def recorded(folder: RunFolder) -> RunEnd | None:
    """How a run ended; None where it has not ended, or only because its server was lost."""
    with contextlib.suppress(RunError):
        fields = read_object(folder.cluster_end)
        if fields is not None:
            with parsing_file(folder.cluster_end):
                outcome, error = fields["outcome"], fields["error"]
                return RunEnd(outcome, None if error is None else (str(error[0]), str(error[1])))
    with contextlib.suppress(RunError):
        # The server was lost before it had written more.
        result = run_result.read(folder.result)
        if result is not None and result.outcome is Outcome.FINISHED:
            return RunEnd({"result": result.to_json(), "evaluation_error": None})
    return None
