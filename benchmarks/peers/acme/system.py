"""Acme 0.4.0's distributed D4PG as a whole: acting and learning at once on this machine.

    .venv-acme/bin/python benchmarks/peers/acme/system.py --samples_per_insert=256 --seconds=60

Runs `acme.agents.tf.d4pg.DistributedD4PG` with Launchpad's local multi-processing on a dm_control
task: replay, counter, learner and actors, each a process; batch 256, policy and critic of 256-256
units, Acme's defaults otherwise. `--samples_per_insert=256` is one learner step for each step of
the environment; `0` lets the actors run free.

What makes it fair: the processes have the whole machine, and TensorFlow sizes its thread pools as
it likes. The evaluator is left out: it runs flat out and would take a core. The replay's minimum
size is 2,000 transitions, so that the learner starts early. The window begins a few seconds after
the learner's first step, when its graph is traced and its first snapshot written, and both rates
are those of the same window: learner steps by Acme's counter, environment steps by the transitions
that Reverb has taken in (Acme's counter only hears of whole episodes; D4PG's 5-step adder writes
1,004 transitions in an episode of 1,000 steps, in Acme's favour).

The last line on stdout is one JSON object: `actor_steps_per_second`, `learner_steps_per_second`,
`seconds_to_first_learner_step` (since this command started), `actor_resident_mb` (MiB, the actors'
mean), `processes` (those that Launchpad started) and `seconds` (of the window). However this ends,
it leaves neither a process nor a file.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import psutil

_START = time.monotonic()
_HERE = pathlib.Path(__file__).resolve().parent
_PR_SET_CHILD_SUBREAPER = 36


def stop(signum: int, _frame: object) -> None:
    """Ends this process by way of its `finally` clauses."""
    sys.exit(128 + signum)


def end_descendants() -> None:
    """Kills every process that this one or its children have started, and waits for their end."""
    while children := psutil.Process().children(recursive=True):
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=1)


def tails(folder: pathlib.Path, lines: int = 15) -> str:
    """Returns the last lines of each process's output."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "\n".join(
        f"--- {path.relative_to(folder)}\n"
        + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
        for path in files
    )


def run(command: list[str], folder: pathlib.Path, timeout: float) -> str:
    """Runs the program with all that it writes in `folder`; returns its last line of output."""
    logs = folder / "logs"
    logs.mkdir()
    environment = dict(
        os.environ,
        CUDA_VISIBLE_DEVICES="-1",
        HOME=str(folder),  # Acme's checkpoints and CSV files.
        LAUNCHPAD_LOGGING_DIR=str(logs),
        MUJOCO_GL="disable",
        PYTHONPATH=str(_HERE),
        TF_CPP_MIN_LOG_LEVEL="3",
        TMPDIR=str(folder),
    )
    # A process whose parent ends becomes a child of this one, so that end_descendants sees them.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with (folder / "stderr").open("w+") as errors:
        program = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            output, _ = program.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            sys.exit(f"acme: no result within {timeout:.0f} s\n{tails(logs)}")
        if program.returncode:
            errors.seek(0)
            sys.exit(f"{tails(logs)}\n{errors.read()}acme: the program failed, as said above")
    return output.splitlines()[-1]


def main() -> None:
    """Runs program.py, ends all its processes, prints the figures."""
    parser = argparse.ArgumentParser(description="Acme's distributed D4PG on this machine.")
    parser.add_argument("--task", default="cheetah:run", help="dm_control task, domain:name")
    parser.add_argument("--num_actors", type=int, default=1)
    parser.add_argument(
        "--samples_per_insert",
        type=float,
        default=256.0,
        help="transitions learned from for each one acted (256: one learner step); 0: no limit",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument(
        "--settle", type=float, default=5.0, help="seconds between first step and window"
    )
    args = parser.parse_args()

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, stop)
    flags = [f"--{name}={value}" for name, value in vars(args).items()]
    command = [sys.executable, str(_HERE / "program.py"), *flags, f"--start={_START}"]
    with tempfile.TemporaryDirectory(prefix="acme-", ignore_cleanup_errors=True) as folder:
        try:
            result = run(command, pathlib.Path(folder), timeout=200 + 2 * args.seconds)
        finally:
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(signum, signal.SIG_IGN)
            end_descendants()
    print(result, flush=True)


if __name__ == "__main__":
    main()
