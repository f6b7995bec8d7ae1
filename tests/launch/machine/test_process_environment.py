from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
import reverb

from quinoa.launch.machine import mujoco_renderer, process_environment


@pytest.fixture
def drawing_fails(monkeypatch):
    """Whatever MuJoCo is to draw by, what goes wrong is this; None has nothing go wrong."""
    tried: list[str] = []

    def say(reason: str | None) -> list[str]:
        def fail(way: str, inherited: Mapping[str, str]) -> str | None:
            tried.append(way)
            return reason

        monkeypatch.setattr(mujoco_renderer, "_failure", fail)
        return tried

    return say


def test_this_process_is_quiet_and_off_the_gpu_and_its_children_inherit_what_was(drawing_fails):
    drawing_fails(None)
    environment = {"CUDA_VISIBLE_DEVICES": "3", "HOME": "/h", "MUJOCO_GL": "egl"}
    before = process_environment.set_for_this_process(environment)
    assert before == {"CUDA_VISIBLE_DEVICES": "3", "HOME": "/h", "MUJOCO_GL": "egl"}
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1"
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert environment["TF_NUM_INTRAOP_THREADS"] == "1"
    # The user's own wish stays.
    assert environment["MUJOCO_GL"] == "egl"


def test_what_mujoco_cannot_draw_by_is_turned_off_with_a_note(drawing_fails, capsys):
    tried = drawing_fails("no such thing")
    environment = {"MUJOCO_GL": "GLX"}
    before = process_environment.set_for_this_process(environment)
    assert environment["MUJOCO_GL"] == before["MUJOCO_GL"] == "disable"
    assert tried == ["glx"]
    assert capsys.readouterr().err == (
        "quinoa: note: MUJOCO_GL=GLX does not work here (no such thing), and MuJoCo is not to "
        "draw, as with MUJOCO_GL=disable.\n"
    )
    # Those that are started from here have been told.
    process_environment.set_for_this_process(dict(before))
    environment = {"MUJOCO_GL": "glx"}
    process_environment.set_for_this_process(environment, tries_drawing=False)
    assert environment["MUJOCO_GL"] == "glx"
    process_environment.set_for_this_process({})
    assert tried == ["glx"]
    assert capsys.readouterr().err == ""


def test_the_gpu_is_the_learners_alone():
    inherited = {"CUDA_VISIBLE_DEVICES": "3", "PATH": "/bin"}
    learner = process_environment.for_node(inherited, threads=8, gpu=True, one_heap=False)
    actor = process_environment.for_node(inherited, threads=1, gpu=False, one_heap=True)
    assert learner["CUDA_VISIBLE_DEVICES"] == "3"
    assert actor["CUDA_VISIBLE_DEVICES"] == "-1"
    assert learner["TF_NUM_INTEROP_THREADS"] == learner["OMP_NUM_THREADS"] == "8"
    assert learner["TF_NUM_INTRAOP_THREADS"] == "4"
    # Or it could not be forked from a process that has one thread.
    assert learner["OPENBLAS_NUM_THREADS"] == "1"
    assert actor["TF_NUM_INTRAOP_THREADS"] == "1"
    assert actor["MALLOC_ARENA_MAX"] == "1"
    assert "MALLOC_ARENA_MAX" not in learner
    assert actor["PATH"] == learner["PATH"] == "/bin"
    assert inherited == {"CUDA_VISIBLE_DEVICES": "3", "PATH": "/bin"}


def test_nodes_are_quiet_and_never_draw_unless_the_user_says_so():
    node = process_environment.for_node({}, threads=1, gpu=False, one_heap=True)
    assert (node["TF_CPP_MIN_LOG_LEVEL"], node["MUJOCO_GL"]) == ("3", "disable")
    loud = {"TF_CPP_MIN_LOG_LEVEL": "0", "MUJOCO_GL": "egl", "MALLOC_ARENA_MAX": "4"}
    node = process_environment.for_node(loud, threads=1, gpu=False, one_heap=True)
    assert node.items() >= loud.items()


# Writes an item, says how many file descriptors it has, and waits to be told to go on.
_WRITER = """
import os, sys
import numpy as np
import reverb

writer = reverb.Client(sys.argv[1]).trajectory_writer(num_keep_alive_refs=1)
while True:
    writer.append(np.zeros(1, np.float32))
    writer.create_item("table", 1.0, writer.history[-1])
    writer.flush(0, timeout_ms=20_000)
    print(len(os.listdir("/proc/self/fd")), flush=True)
    if not sys.stdin.readline():
        break
"""


def test_no_file_descriptor_is_lost_when_replay_is_started_again():
    def serve(port: int | None) -> reverb.Server:
        return reverb.Server([reverb.Table.queue("table", 100)], port=port)

    server = serve(None)
    node = subprocess.Popen(
        [sys.executable, "-c", _WRITER, f"localhost:{server.port}"],
        env=process_environment.for_node(os.environ, threads=1, gpu=False, one_heap=True),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert node.stdin is not None and node.stdout is not None
    try:
        counts = [int(node.stdout.readline())]
        for _ in range(2):
            port = server.port
            server.stop()
            server = serve(port)
            node.stdin.write("\n")
            node.stdin.flush()
            counts.append(int(node.stdout.readline()))
    finally:
        node.kill()
        node.communicate()
        server.stop()
    assert counts[-1] <= counts[0], counts
