"""Sizes a run by the machine and the agent, where the user does not."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from quinoa.agents.config import AgentConfig, OffPolicyConfig, OnPolicyConfig

if TYPE_CHECKING:
    from quinoa.launch.experiment import Experiment

# Rough costs of an actor's call and of one environment's step in seconds. A call is expensive, so
# where actors have much to do many environments share one; otherwise few do, so that a run's first
# episodes end sooner. With NumPy a call costs 1.5e-4, all that an actor does for it included, and
# with TensorFlow, for a policy without a NumPy form, some 6e-4 to 1e-3, which nothing says before
# the agent is imported. Too high a cost costs little: a few more environments take less processor
# time for each step.
_CALL_S = 4e-4
_STEP_S = 1e-4
_MIN_ENVIRONMENTS = 2
_MAX_ENVIRONMENTS = 64

# Gradient steps per second that a learner may reach, at most, on one core and on a GPU.
_LEARNER_RATE_PER_CORE = 300
_LEARNER_RATE_ON_GPU = 4000
# Gradient steps per call: a few tenths of a second's worth, so that the overhead of a call is
# negligible and parameters are still published often.
_STEPS_PER_CALL = 50
_STEPS_PER_CALL_ON_GPU = 200

# The memory of a process with TensorFlow, in bytes; the processes of a run besides its actors
# (learner, replay, evaluator, counter and supervisor); and the share of free memory that runs may
# use.
_PROCESS_BYTES = 0.6e9
_PROCESSES_BESIDE_ACTORS = 5
_MEMORY_SHARE = 0.8
_CGROUP = Path("/sys/fs/cgroup")


class LearnerHost(NamedTuple):
    """The machine that a run's learner is on, as far as sizes depend on it.

    Attributes:
        cores: how many cores the learner may use.
        gpu: whether it has a GPU.
    """

    cores: int
    gpu: bool


class Sizes(NamedTuple):
    """The sizes of a run.

    Attributes:
        environments_per_actor: environments that share one policy call.
        steps_per_call: gradient steps per call of the learner, K.
        learner_threads: threads of TensorFlow's operations in the learner.
    """

    environments_per_actor: int
    steps_per_call: int
    learner_threads: int


def choose(config: AgentConfig, *, num_actors: int, host: LearnerHost) -> Sizes:
    """Chooses the sizes of a run.

    Args:
        config: the agent's config.
        num_actors: the run's actors.
        host: that of the learner.
    """
    steps_per_call = _STEPS_PER_CALL_ON_GPU if host.gpu else _STEPS_PER_CALL
    if isinstance(config, OnPolicyConfig):
        # Each gradient step is on what was acted with the parameters of the one before.
        steps_per_call = 1
    rate = _LEARNER_RATE_ON_GPU if host.gpu else _LEARNER_RATE_PER_CORE * host.cores
    return Sizes(
        environments_per_actor=_environments(config, num_actors, rate),
        steps_per_call=steps_per_call,
        learner_threads=host.cores,
    )


class Needs(NamedTuple):
    """What a run takes of a machine, roughly.

    Attributes:
        cores: the cores that it keeps busy.
        memory: in bytes.
    """

    cores: int
    memory: float


def needs(experiment: Experiment, transition_bytes: float, *, is_one_process: bool) -> Needs:
    """Estimates what a run will take.

    Args:
        experiment: the run's experiment.
        transition_bytes: that one transition takes in replay.
        is_one_process: whether the engine runs everything in one process.
    """
    if not experiment.config.has_actors:
        # The learner, the counter and the supervisor.
        return Needs(1, _PROCESS_BYTES if is_one_process else 3 * _PROCESS_BYTES)
    replay = transition_bytes * min(
        experiment.learner_config.max_transitions_stored, experiment.steps
    )
    if is_one_process:
        return Needs(1, _PROCESS_BYTES + replay)
    num_processes = experiment.num_actors + _PROCESSES_BESIDE_ACTORS
    return Needs(experiment.num_actors + 1, num_processes * _PROCESS_BYTES + replay)


def runs_at_once(needs: Sequence[Needs], *, cores: int, memory: float) -> int:
    """How many runs a machine can run at the same time, at least 1.

    Args:
        needs: what each run takes; the most demanding one counts for all.
        cores: the machine's.
        memory: free memory in bytes.
    """
    by_cores = cores // max(need.cores for need in needs)
    by_memory = int(_MEMORY_SHARE * memory // max(need.memory for need in needs))
    return max(min(by_cores, by_memory), 1)


def usable_memory() -> float:
    """Free memory in bytes, of this machine or, if that is less, of the container's limit."""
    import psutil

    free = float(psutil.virtual_memory().available)
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text()) - _cached()
    except (OSError, ValueError):
        # There is no limit, or it cannot be read.
        return free
    return min(free, float(max(limit - used, 0)))


def _cached() -> int:
    """Bytes of the container's that hold what files say, and are free where others need them."""
    try:
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def usable_cores() -> int:
    """How many cores this process may run on; of a container with a quota, as many as that is."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return max(min(cores, math.ceil(int(quota) / int(period))), 1)
    except (OSError, ValueError):
        # There is no quota, or it cannot be read.
        return cores


def has_gpu(environment: Mapping[str, str]) -> bool:
    """Whether processes with these variables can have an NVIDIA GPU.

    TensorFlow is not asked, since it would allocate the GPU's memory.
    """
    hidden = environment.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return not hidden and Path("/dev/nvidiactl").exists()


def _environments(config: AgentConfig, num_actors: int, learner_rate: float) -> int:
    """The smallest power of two with which the actors keep up with the learner.

    On-policy, where both wait for one another: the greatest number that makes up a batch.
    """
    if isinstance(config, OnPolicyConfig):
        of_each_actor = math.gcd(config.batch_size // config.segment_length, 2**30 * num_actors)
        return max(min(of_each_actor // num_actors, _MAX_ENVIRONMENTS), 1)
    if not isinstance(config, OffPolicyConfig) or not config.samples_per_insert:
        return _MAX_ENVIRONMENTS
    wanted_rate = learner_rate * config.batch_size / config.samples_per_insert / num_actors
    # N / (call + N · step) ≥ wanted_rate.
    left = 1 / wanted_rate - _STEP_S
    if left <= _CALL_S / _MAX_ENVIRONMENTS:
        return _MAX_ENVIRONMENTS
    return max(_MIN_ENVIRONMENTS, int(2 ** math.ceil(math.log2(_CALL_S / left))))
