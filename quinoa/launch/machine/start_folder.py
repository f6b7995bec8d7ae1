"""The folder that a command was started in."""

from __future__ import annotations

import os
from pathlib import Path


class StartFolder:
    """Where the paths on a command line lead from.

    Agents and environments of the user's own may change the folder that the process is in (to where
    their assets are, say), and rely on that. So before such code is run, each command makes its
    paths absolute, and has the processes that it starts begin where it began itself.
    """

    def __init__(self) -> None:
        """Takes the folder that the process is in now."""
        self.path = Path.cwd()

    def absolute(self, path: str | os.PathLike[str]) -> Path:
        """A path that was given, as one that holds in any folder."""
        return self.path / path

    def shown(self, path: Path) -> Path:
        """An absolute path as people read it who are still in this folder."""
        return path.relative_to(self.path) if path.is_relative_to(self.path) else path
