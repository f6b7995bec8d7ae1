"""What a run is sized to where the user does not say: by the machine and by the agent."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from acme import specs

    from quinoa.agents.config import AgentConfig
    from quinoa.launch.experiment import Experiment

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

# What a process with TensorFlow in it takes, in bytes; those of a run besides its actors (learner,
# replay, evaluator, counter, and the one that watches them); and the share of what is free that
# runs may fill.
_PROCESS_BYTES = 0.6e9
_PROCESSES_BESIDE_ACTORS = 5
_MEMORY_SHARE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


class Sizes(NamedTuple):
    """What a run is sized to, by the names of an experiment's fields.

    Attributes:
        environments_per_actor: that one policy call serves.
        steps_per_call: K.
        learner_threads: of TensorFlow's operations.
    """

    environments_per_actor: int
    steps_per_call: int
    learner_threads: int


def choose(config: AgentConfig, *, num_actors: int, cores: int, gpu: bool) -> Sizes:
    """Chooses the sizes of a run.

    Args:
        config: of the agent, with the experiment's settings.
        num_actors: of the run.
        cores: that the run may use.
        gpu: whether the learner has one.
    """
    rate = _LEARNER_RATE_ON_GPU if gpu else _LEARNER_RATE_PER_CORE * cores
    return Sizes(
        environments_per_actor=_environments(config, num_actors, rate),
        steps_per_call=_STEPS_PER_CALL_ON_GPU if gpu else _STEPS_PER_CALL,
        learner_threads=cores,
    )


class Needs(NamedTuple):
    """What a run takes of a machine, roughly.

    Attributes:
        cores: that it keeps busy.
        memory: bytes.
    """

    cores: int
    memory: float


def needs(experiment: Experiment, spec: specs.EnvironmentSpec, *, is_one_process: bool) -> Needs:
    """What a run will take.

    Args:
        experiment: what is run.
        spec: of its environment.
        is_one_process: whether everything of it is in one process.
    """
    sizes = (spec.observations.shape[0], spec.actions.shape[0])
    # Both observations, the action, reward and discount of a transition.
    row = 4 * (2 * sizes[0] + sizes[1] + 2)
    replay = row * min(experiment.config.max_replay_size, experiment.steps)
    if is_one_process:
        return Needs(1, _PROCESS_BYTES + replay)
    num_processes = experiment.num_actors + _PROCESSES_BESIDE_ACTORS
    return Needs(experiment.num_actors + 1, num_processes * _PROCESS_BYTES + replay)


def runs_at_once(needs: Sequence[Needs], *, cores: int, memory: float) -> int:
    """How many runs a machine bears at the same time, at least 1.

    Args:
        needs: of the runs; all are taken for as demanding as the most demanding.
        cores: of the machine.
        memory: bytes that are free.
    """
    by_cores = cores // max(need.cores for need in needs)
    by_memory = int(_MEMORY_SHARE * memory // max(need.memory for need in needs))
    return max(min(by_cores, by_memory), 1)


def usable_memory() -> float:
    """The bytes that this machine, or the container that this is in, can still give."""
    import psutil

    free = float(psutil.virtual_memory().available)
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        # There is no limit, or none that can be known.
        return free
    return min(free, float(max(limit - used, 0)))


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
    return max(_MIN_ENVIRONMENTS, int(2 ** math.ceil(math.log2(_CALL_S / left))))
