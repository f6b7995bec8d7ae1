import os
import subprocess
import sys

# The command, on a machine that seems to have a GPU, up to where it would begin to measure.
WITH_A_GPU = """
import pathlib
import runpy
from benchmarks import gpu
exists = pathlib.Path.exists
pathlib.Path.exists = lambda path: str(path) == "/dev/nvidiactl" or exists(path)
gpu.cases = lambda: {"nothing": []}
runpy.run_module("benchmarks", run_name="__main__")
"""


def run(*flags, cwd, code=None, **variables):
    command = [sys.executable, *(["-c", code] if code else ["-m", "benchmarks"]), *flags]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment
    )


def test_an_unknown_benchmark_is_one_clear_line(request):
    done = run("--only=actor,speed", cwd=request.config.rootpath)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        "benchmarks: --only takes names out of start, actor, replay, learner"
    )
    assert done.stderr.count("\n") == 1


def test_the_learner_on_a_gpu_is_measured_only_where_there_is_one(request, tmp_path):
    flags, cwd = ["--only=gpu", f"--out={tmp_path}"], request.config.rootpath
    hidden = run(*flags, cwd=cwd, code=WITH_A_GPU, CUDA_VISIBLE_DEVICES="-1")
    assert hidden.returncode == 1
    assert hidden.stderr.startswith("benchmarks: --only=gpu needs an NVIDIA GPU")
    seen = run(*flags, cwd=cwd, code=WITH_A_GPU, CUDA_VISIBLE_DEVICES="0")
    assert seen.returncode == 0
    assert "1 of 1, after 0:00: learner on a GPU: nothing" in seen.stderr
