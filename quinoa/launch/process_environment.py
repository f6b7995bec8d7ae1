"""What processes are told by environment variables, which libraries read when first imported."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

# Libraries that print what nobody can act on.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "PYTHONWARNINGS": "ignore",
}
# Physics alone is stepped here; drawing would look for a display.
_NO_DRAWING = {"MUJOCO_GL": "disable"}
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


def quiet_loggers() -> None:
    """Leaves TensorFlow's Python side its errors alone; may be called before importing it."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def set_for_this_process(environment: dict[str, str] | None = None) -> Mapping[str, str]:
    """Quiets the libraries of this process, and keeps it off the GPU and to one thread.

    To be called before those libraries are imported. Variables that the user has set stay, but for
    the GPU's, which is the learner's alone, and TensorFlow's threads: with one of them, what is
    computed here is the same every time.

    Returns:
        The variables as they were, for the processes started from here.
    """
    target = os.environ if environment is None else environment
    before = dict(target)
    for name, value in {**_QUIET, **_NO_DRAWING}.items():
        target.setdefault(name, value)
    target.update(_NO_GPU, **_threads(1))
    quiet_loggers()
    return before


def for_node(
    inherited: Mapping[str, str], *, threads: int, gpu: bool, one_heap: bool
) -> dict[str, str]:
    """The variables of one node's process.

    Args:
        inherited: the variables that the user's shell has.
        threads: of TensorFlow's operations, and of whatever uses OpenMP.
        gpu: whether the node may see the GPU.
        one_heap: whether all its threads allocate from one heap. glibc's default, a heap for each
            of several threads, takes 12 MB more of an actor and makes it no faster.
    """
    variables = {**_QUIET, **_NO_DRAWING, **inherited}
    if one_heap:
        variables.setdefault("MALLOC_ARENA_MAX", "1")
    variables.update(
        _threads(threads),
        TF_FORCE_GPU_ALLOW_GROWTH=inherited.get("TF_FORCE_GPU_ALLOW_GROWTH", "true"),
        PYTHONUNBUFFERED="1",
        # The processes of a run talk to one another, never through a proxy of the user's.
        no_grpc_proxy="localhost",
        # gRPC's choice, epollex, keeps two file descriptors more whenever Reverb's writer or
        # sampler finds its server again: a long run with restarts would run out of them.
        GRPC_POLL_STRATEGY="epoll1",
    )
    if not gpu:
        variables.update(_NO_GPU)
    return variables


def _threads(count: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(count),
        "TF_NUM_INTRAOP_THREADS": str(count),
        # The policy's and the value's part of a step have little to say to each other: side by
        # side they use two cores where one product, at these sizes, cannot.
        "TF_NUM_INTEROP_THREADS": str(count),
    }
