import subprocess
import sys


def run(*flags, cwd):
    command = [sys.executable, "-m", "benchmarks", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def test_an_unknown_benchmark_is_one_clear_line(request):
    done = run("--only=actor,speed", cwd=request.config.rootpath)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        "benchmarks: --only takes names out of start, actor, replay, learner"
    )
    assert done.stderr.count("\n") == 1
