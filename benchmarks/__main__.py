"""The command line of the benchmarks: python -m benchmarks [--only=NAMES] [--out=FOLDER]."""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path

from absl import app, flags, logging

from benchmarks import progress, report, stage
from benchmarks.measure import BenchmarkError, Comparison
from quinoa.launch.machine import process_environment, termination

# In the order in which they run.
_OURS = ("start", "actor", "replay", "learner", "scaling")
# Those that are run only where they are named.
_APART = ("growth", "gateway", "images", "gpu")
_PEERS = ("against_acme", "against_libraries")
_ALL = (*_OURS, *_APART, *_PEERS)

_ONLY = flags.DEFINE_list("only", list(_OURS), f"Which benchmarks to run: {', '.join(_ALL)}.")
_OUT = flags.DEFINE_string("out", "runs/benchmarks", "Where the results go.")


def _main(arguments: list[str]) -> int:
    unknown = [name for name in _ONLY.value if name not in _ALL]
    if arguments[1:] or unknown or not _ONLY.value:
        known = ", ".join(_ALL)
        print(f"benchmarks: --only takes names out of {known}.", file=sys.stderr)
        return 2
    stage.inherit(process_environment.set_for_this_process())
    # MuJoCo tells its version.
    logging.set_verbosity(logging.WARNING)
    termination.exit_on_signals()
    comparisons: list[Comparison] = []
    try:
        Path(_OUT.value).mkdir(parents=True, exist_ok=True)
        if set(_PEERS) & set(_ONLY.value):
            importlib.import_module("benchmarks.peers").require()
        parts = [part for name in _ONLY.value for part in progress.parts_of(name)]
        for comparison in progress.run_all(parts):
            comparisons.append(comparison)
            # The head of the table comes with its first row.
            lines = report.table([comparison]).splitlines()
            print("\n".join(lines if len(comparisons) == 1 else lines[2:]), flush=True)
    except (BenchmarkError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    finally:
        if comparisons:
            command = f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip()
            written = report.write(comparisons, Path(_OUT.value), command)
            print(f"Written to {_OUT.value}: {', '.join(written)}")
    return 0


if __name__ == "__main__":
    app.run(_main)
