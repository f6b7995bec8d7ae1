"""What a run is sized to where the user does not say: by the machine and by the agent."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agents.protocol import AgentConfig

# What an actor's policy call costs, and what one environment's step does, in seconds, roughly:
# benchmarks/actor.py measures both. Calls are dear, so more environments share one when the actors
# have much to do; otherwise few do, as a run's first episodes are sooner over with few.
_CALL_S = 4e-4
_STEP_S = 1e-4
_MIN_ENVIRONMENTS = 2
_MAX_ENVIRONMENTS = 64

# Gradient steps per second that a learner may reach, at most, on one core and on a GPU.
_LEARNER_RATE_PER_CORE = 300
_LEARNER_RATE_ON_GPU = 4000
# Gradient steps in one call: some tenths of a second, so that what a call costs is nothing, and
# parameters are no older than that.
_STEPS_PER_CALL = 50
_STEPS_PER_CALL_ON_GPU = 200


class Sizes(NamedTuple):
    """What a run is sized to.

    Attributes:
        environments_per_actor: that one policy call serves.
        steps_per_call: K.
        learner_threads: of TensorFlow's operations.
    """

    environments_per_actor: int
    steps_per_call: int
    learner_threads: int


def choose(
    config: AgentConfig,
    *,
    num_actors: int,
    cores: int,
    gpu: bool,
    environments_per_actor: int | None = None,
    steps_per_call: int | None = None,
    learner_threads: int | None = None,
) -> Sizes:
    """Chooses what is not given.

    Args:
        config: of the agent, with the experiment's settings.
        num_actors: of the run.
        cores: that the run may use.
        gpu: whether the learner has one.
        environments_per_actor: as given by the user, if it is; so are the next two.
        steps_per_call: see `Sizes`.
        learner_threads: see `Sizes`.
    """
    rate = _LEARNER_RATE_ON_GPU if gpu else _LEARNER_RATE_PER_CORE * cores
    return Sizes(
        environments_per_actor or _environments(config, num_actors, rate),
        steps_per_call or (_STEPS_PER_CALL_ON_GPU if gpu else _STEPS_PER_CALL),
        learner_threads or cores,
    )


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def has_gpu(environment: Mapping[str, str]) -> bool:
    """Whether processes with these variables can have an NVIDIA GPU.

    TensorFlow is not asked, since that would take hold of it.
    """
    hidden = environment.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def _environments(config: AgentConfig, num_actors: int, learner_rate: float) -> int:
    """The least power of two with which the actors keep ahead of the learner."""
    if not config.samples_per_insert:
        return _MAX_ENVIRONMENTS
    wanted = learner_rate * config.batch_size / config.samples_per_insert / num_actors
    # N / (call + N · step) ≥ wanted.
    left = 1 / wanted - _STEP_S
    if left <= _CALL_S / _MAX_ENVIRONMENTS:
        return _MAX_ENVIRONMENTS
    return max(_MIN_ENVIRONMENTS, 2 ** math.ceil(math.log2(_CALL_S / left)))
