"""Checkpoints of the learner: whole or absent, the latest few kept."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from launch.errors import RunError
from launch.files import read_json, write_json
from launch.finite import finite_parameters

if TYPE_CHECKING:
    from agents.learner import Learner

KEPT = 2

_COUNTS = "counts.json"
_LEARNER = "learner"
_POLICY = "policy.npy"
_NAME = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One checkpoint: a folder named by the number of learner steps.

    It holds the learner whole, the policy's parameters alone (all that acting needs), and the
    counts of the run when it was made.
    """

    path: Path

    @property
    def learner_prefix(self) -> str:
        """What `Learner.restore` reads."""
        return str(self.path / _LEARNER)

    def counts(self) -> dict[str, Any]:
        """The counts of the run when the checkpoint was made.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            return dict(read_json(self.path / _COUNTS))
        except (OSError, ValueError, TypeError) as error:
            raise self._damaged(error) from error

    def policy_parameters(self) -> np.ndarray:
        """The policy's variables as one vector, float32 [P].

        Raises:
            RunError: the file is missing or damaged.
        """
        digest = self.counts().get("policy_sha256")
        try:
            data = (self.path / _POLICY).read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError(f"{_POLICY} is not what was written")
            return np.load(io.BytesIO(data), allow_pickle=False)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> RunError:
        return RunError(
            f"The checkpoint {self.path} is damaged ({error}); remove it to use the one before."
        )


def save(folder: Path, learner: Learner, counts: Mapping[str, int]) -> Checkpoint:
    """Writes a checkpoint, then removes all but the latest `KEPT`.

    Args:
        folder: of the run's checkpoints.
        learner: what to save.
        counts: of the run.

    Raises:
        NonFiniteError: a parameter of the policy is NaN or infinite; nothing is written or removed.
    """
    parameters = finite_parameters(learner)
    steps = learner.steps
    final = Checkpoint(folder / f"{steps:012d}")
    if not final.path.exists():
        temporary = folder / f".{final.path.name}.{os.getpid()}.tmp"
        temporary.mkdir(parents=True)
        learner.save(str(temporary / _LEARNER))
        buffer = io.BytesIO()
        np.save(buffer, parameters, allow_pickle=False)
        (temporary / _POLICY).write_bytes(buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        write_json(temporary / _COUNTS, {**counts, "learner_steps": steps, "policy_sha256": digest})
        os.replace(temporary, final.path)
    for old in _all(folder)[:-KEPT]:
        shutil.rmtree(old.path)
    return final


def newest(folder: Path) -> Checkpoint:
    """The latest checkpoint.

    Raises:
        RunError: there is none.
    """
    checkpoints = _all(folder)
    if not checkpoints:
        raise RunError(f"There is no checkpoint in {folder}: the run ended before its first one.")
    return checkpoints[-1]


def _all(folder: Path) -> list[Checkpoint]:
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return [Checkpoint(path) for path in sorted(paths, key=lambda path: int(path.name))]
