"""The settings of engines: each has a class of its own, with fields that flags are made of."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.config.fields import Bounds, ConfigError, Flag, check


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """The settings of an engine that has none; those that have some derive their own class.

    Each field has a flag of `quinoa train`, which follows from the field (see
    `quinoa.config.fields`). An engine ignores the flags of the settings that it does not have.
    """

    def __post_init__(self) -> None:
        """Checks each field against its bounds; raises `ConfigError`."""
        check(self)


@dataclasses.dataclass(frozen=True)
class SupervisedSettings(EngineSettings):
    """The settings of engines whose processes a `Supervisor` keeps running."""

    hang_timeout_s: Annotated[
        float, Bounds(at_least=1, may_be_infinite=True), Flag("hang_timeout")
    ] = 120.0
    """Seconds without progress after which a process is killed and started again: more than one
    step of the environments, or one call of the learner, may ever take; inf for never."""


@dataclasses.dataclass(frozen=True)
class PrivateSettings(SupervisedSettings):
    """The settings of engines whose processes talk to one another by network."""

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


@dataclasses.dataclass(frozen=True)
class LocalSettings(PrivateSettings):
    """How the local engine runs the processes of a run."""


@dataclasses.dataclass(frozen=True)
class RaySettings(PrivateSettings):
    """How the Ray engine spreads a run over the hosts of a cluster."""

    ray_address: str = "auto"
    """Of the Ray engine: the address of the cluster's head, `HOST:PORT`; auto is the cluster that
    this machine is a host of."""
    host_timeout_s: Annotated[float, Bounds(at_least=5), Flag("host_timeout")] = 30.0
    """Of the Ray engine: seconds without an answer after which a host is given up, and what ran
    there is started elsewhere. What still runs there ends before that."""
    actor_cpus: Annotated[float, Bounds(above=0)] = 1.0
    """Of the Ray engine: the processor cores that Ray sets aside for each actor and for the
    evaluator; less than 1 puts several on a core."""
    min_actors: Annotated[int, Bounds(at_least=0)] = 0
    """Of the Ray engine: end the run when fewer actors than this have run for `--host_timeout`; 0
    waits for hosts to come for as long as it takes."""

    @property
    def lease_s(self) -> float:
        """Seconds without a question from the supervisor after which a host ends its processes.

        That is before the supervisor gives the host up and starts others.
        """
        return 0.7 * self.host_timeout_s
