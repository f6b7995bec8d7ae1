"""The settings of the engine for this machine."""

from __future__ import annotations

import dataclasses

from quinoa.launch.engines.settings import PrivateSettings


@dataclasses.dataclass(frozen=True)
class LocalSettings(PrivateSettings):
    """How the local engine runs the processes of a run."""
