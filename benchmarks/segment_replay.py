"""Whether shuffled segments teach as well as single transitions do.

    python -m benchmarks.segment_replay

The same experiment with replay items of one transition and of a segment, over several seeds; the
learning curves of both in one picture.
"""

from __future__ import annotations

import concurrent.futures
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from quinoa.launch.analysis import plots
from quinoa.launch.analysis.curves import evaluations
from quinoa.launch.errors import RunError
from quinoa.launch.machine import process_environment
from quinoa.launch.run import result
from quinoa.launch.run.run_folder import RunFolder

_ENVIRONMENT = flags.DEFINE_string("env", "control:cartpole:balance", "What is learned.")
_STEPS = flags.DEFINE_integer("steps", 60_000, "Actor steps of each run.", lower_bound=1)
_SEEDS = flags.DEFINE_integer("seeds", 5, "Seeds of each kind.", lower_bound=1)
_AT_ONCE = flags.DEFINE_integer("at_once", 2, "Runs at a time.", lower_bound=1)
_OUT = flags.DEFINE_string("out", "runs/segment_replay", "Where the runs and the picture go.")

_LENGTHS = (1, 16)
# Small layers, for it is replay that is compared, and there are many runs.
_SETTINGS = ("hidden_sizes=64,64",)


def _main(arguments: list[str]) -> int:
    del arguments
    process_environment.set_for_this_process()
    root = Path(_OUT.value)
    pairs = [(length, seed) for seed in range(_SEEDS.value) for length in _LENGTHS]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE.value) as pool:
        runs = dict(zip(pairs, pool.map(lambda pair: _train(root, *pair), pairs), strict=True))
    lines = {}
    for length in _LENGTHS:
        of_length = [runs[length, seed] for seed in range(_SEEDS.value)]
        label = "single transitions" if length == 1 else f"segments of {length}, shuffled"
        lines[label] = [evaluations(run) for run in of_length]
        finals = [statistics.mean(_final_returns(run)) for run in of_length]
        print(f"{label}: {statistics.mean(finals):.1f} ({', '.join(f'{x:.1f}' for x in finals)})")
    panel = plots.Panel(_ENVIRONMENT.value, lines)
    print(plots.plot_panels([panel], root / "segment_replay.png"))
    return 0


def _final_returns(run: RunFolder) -> Sequence[float]:
    ended = result.read(run.result)
    if ended is None or ended.final_returns is None:
        raise RunError(f"{run.root} has no final evaluation.")
    return ended.final_returns


def _train(root: Path, length: int, seed: int) -> RunFolder:
    folder = RunFolder(root / f"length{length}-seed{seed}")
    command = [
        *(sys.executable, "-m", "quinoa.launch.cli", "train", f"--env={_ENVIRONMENT.value}"),
        *(f"--steps={_STEPS.value}", f"--seed={seed}", f"--set=segment_length={length}"),
        *(f"--set={setting}" for setting in _SETTINGS),
        *("--num_actors=1", "--learner_threads=1", f"--folder={folder.root}"),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    print(f"{folder.root} is there.", flush=True)
    return folder


if __name__ == "__main__":
    app.run(_main)
