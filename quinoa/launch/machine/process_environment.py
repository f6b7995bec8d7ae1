"""What processes are told by environment variables, which libraries read when first imported."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping

from quinoa.launch.machine import home, mujoco_renderer, temporary_folder
from quinoa.launch.terminal.output import say

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
    """Leaves libraries their errors alone; may be called before importing them.

    TensorFlow's Python side has notes of its own workings, and matplotlib says where it keeps its
    cache when it cannot write to the home folder.
    """
    for name in ("tensorflow", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


def set_for_this_process(
    environment: MutableMapping[str, str] | None = None,
    *,
    tries_drawing: bool = True,
    needs_room: bool = True,
) -> Mapping[str, str]:
    """Quiets the libraries of this process, and keeps it off the GPU and to one thread.

    To be called before those libraries are imported. Variables that the user has set stay, but for
    the GPU's, which is the learner's alone, and TensorFlow's threads: with one of them, what is
    computed here is the same every time. What the user asks MuJoCo to draw by is turned off, with
    a note, where it does not work: importing MuJoCo would fail, and its states need no drawing. A
    home folder is made for a user who has none.

    Args:
        environment: the variables; by default this process's own.
        tries_drawing: whether to find out whether what MuJoCo is to draw by works; it takes a
            second.
        needs_room: whether to find out whether there is room for temporary files, which
            TensorFlow writes whenever it traces Python.

    Returns:
        The variables as they were but for those two, for the processes started from here.

    Raises:
        ExperimentError: there is no room for temporary files.
    """
    target = os.environ if environment is None else environment
    if needs_room:
        temporary_folder.require_room()
    home.ensure(target)
    if tries_drawing and (why := mujoco_renderer.why_wish_fails(target)):
        say(
            f"quinoa: note: MUJOCO_GL={target[mujoco_renderer.VARIABLE]} does not work here "
            f"({why}), and MuJoCo is not to draw, as with MUJOCO_GL=disable.",
            sys.stderr,
        )
        target.update(_NO_DRAWING)
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
