"""The folder that a command was started in, from which its relative paths start."""

from __future__ import annotations

import os
from pathlib import Path


class StartFolder:
    """The folder that the paths on a command line are relative to.

    A user's agents and environments may change the current folder, to that of their assets say, and
    rely on that. So each command makes its paths absolute before it runs such code, and starts its
    child processes in the folder that it was started in.
    """

    def __init__(self) -> None:
        """Takes the current folder."""
        self.path = Path.cwd()

    def absolute(self, path: str | os.PathLike[str]) -> Path:
        """A path of the command line as an absolute one."""
        return self.path / path

    def shown(self, path: Path) -> Path:
        """An absolute path relative to this folder, where it lies within, for messages."""
        return path.relative_to(self.path) if path.is_relative_to(self.path) else path
