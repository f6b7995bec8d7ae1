"""The settings of the engine for a Ray cluster."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from quinoa.config.fields import Bounds, Flag
from quinoa.launch.engines.settings import PrivateSettings


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
