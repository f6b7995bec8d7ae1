"""Environment variables of processes, which libraries read when they are first imported."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping

from quinoa.launch.machine import home, mujoco_renderer, temporary_folder
from quinoa.launch.terminal.output import say

# Silences messages of libraries that users cannot act on.
_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "PYTHONWARNINGS": "ignore",
    # Its greeting, where an environment draws with it.
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
# Only the physics is needed; MuJoCo would look for a display to draw on.
_NO_DRAWING = {"MUJOCO_GL": "disable"}
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


def quiet_loggers() -> None:
    """Silences libraries below errors; may be called before they are imported.

    TensorFlow's Python side logs notes on its internals, and matplotlib logs where it keeps its
    cache if it cannot write to the home folder.
    """
    for name in ("tensorflow", "matplotlib"):
        logging.getLogger(name).setLevel(logging.ERROR)


def set_for_this_process(
    environment: MutableMapping[str, str] | None = None,
    *,
    tries_drawing: bool = True,
    needs_room: bool = True,
) -> Mapping[str, str]:
    """Silences this process's libraries, hides the GPU from it and limits it to one thread.

    To be called before those libraries are imported. Variables that the user has set are kept,
    except for the GPU's, which only the learner uses, and for TensorFlow's threads, as only with
    one thread are results reproducible. If MUJOCO_GL names a renderer that does not work here, it
    is disabled with a note, since importing MuJoCo would fail and physics needs no renderer. A user
    without a home folder gets a temporary one.

    Args:
        environment: the variables to change; by default this process's own.
        tries_drawing: whether to try the renderer of MUJOCO_GL, which takes a second.
        needs_room: whether to check for room for temporary files, which TensorFlow writes whenever
            it traces Python.

    Returns:
        The variables before this, with a working MUJOCO_GL and a home folder, for child processes.

    Raises:
        ExperimentError: there is no room for temporary files.
    """
    target = os.environ if environment is None else environment
    if needs_room:
        temporary_folder.require_room()
    home.ensure(target)
    if tries_drawing and (why := mujoco_renderer.why_requested_fails(target)):
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
    """The variables for the process of one node.

    Args:
        inherited: the variables of the user's shell.
        threads: threads of TensorFlow's operations and of OpenMP; NumPy has one in any case.
        gpu: whether the node may use the GPU.
        one_heap: whether all its threads allocate from one heap. glibc's default of a heap per
            thread takes 12 MB more in an actor and makes it no faster.
    """
    variables = {**_QUIET, **_NO_DRAWING, **inherited}
    if one_heap:
        variables.setdefault("MALLOC_ARENA_MAX", "1")
    variables.update(
        _threads(threads),
        TF_FORCE_GPU_ALLOW_GROWTH=inherited.get("TF_FORCE_GPU_ALLOW_GROWTH", "true"),
        PYTHONUNBUFFERED="1",
        # The processes of a run must not talk to one another through the user's proxy.
        no_grpc_proxy="localhost",
        # gRPC's default, epollex, leaks two file descriptors whenever Reverb's writer or sampler
        # reconnects to its server: a long run with restarts would run out of them.
        GRPC_POLL_STRATEGY="epoll1",
    )
    if not gpu:
        variables.update(_NO_GPU)
    return variables


def _threads(count: int) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": str(count),
        # NumPy's own, which it looks for first. No process has more for it, so that all can be
        # forked from one that has imported it.
        "OPENBLAS_NUM_THREADS": "1",
        # The policy's and the value's parts of a gradient step are largely independent. Run in
        # parallel they use two cores, which a single matrix product of this size cannot, and
        # operations that share their work besides wait for one another.
        "TF_NUM_INTEROP_THREADS": str(count),
        "TF_NUM_INTRAOP_THREADS": str(max(count // 2, 1)),
    }
