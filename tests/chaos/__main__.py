"""The command line: python -m tests.chaos [--minutes=15] [--faults=N] [--pause=S] [--seed=0]."""

from __future__ import annotations

from pathlib import Path

from absl import app, flags

from launch import process_environment

_MINUTES = flags.DEFINE_float("minutes", 15.0, "No fault is begun after so long.", lower_bound=0.0)
_FAULTS = flags.DEFINE_integer("faults", 10**6, "Nor after so many faults.", lower_bound=1)
_PAUSE_S = flags.DEFINE_float(
    "pause", 0.0, "The least seconds from one fault to the next.", lower_bound=0.0
)
_SEED = flags.DEFINE_integer("seed", 0, "Of which faults come when.")
_OUT = flags.DEFINE_string("out", "runs/chaos", "Where the table goes.")


def _main(arguments: list[str]) -> int:
    del arguments
    process_environment.set_for_this_process()
    # What it imports reads the environment.
    from tests.chaos import script

    survived = script.run(
        Path(_OUT.value),
        minutes=_MINUTES.value,
        faults=_FAULTS.value,
        pause_s=_PAUSE_S.value,
        seed=_SEED.value,
    )
    return 0 if survived else 1


if __name__ == "__main__":
    app.run(_main)
