"""The settings of the engine for this machine."""

from __future__ import annotations

import dataclasses

from quinoa.config.fields import ConfigError
from quinoa.launch.engines.settings import SupervisedSettings


@dataclasses.dataclass(frozen=True)
class LocalSettings(SupervisedSettings):
    """How the local engine runs the processes of a run."""

    private_network: bool = True
    """Give the run's processes a network of their own, so that nobody else reaches their ports.
    Turn it off for environments that need the network."""
    require_private: bool = False
    """Refuse to run where no such network can be made, rather than warn and continue."""

    def __post_init__(self) -> None:
        """Checks the fields; raises `ConfigError`."""
        super().__post_init__()
        if self.require_private and not self.private_network:
            raise ConfigError("--require_private and --noprivate_network contradict each other.")
