"""The command line: python -m tests.chaos [--engine=ray] [--minutes=15] [--faults=N] and so on."""

from __future__ import annotations

from pathlib import Path

from absl import app, flags

from quinoa.launch.machine import process_environment, termination

_MINUTES = flags.DEFINE_float("minutes", 15.0, "No fault is begun after so long.", lower_bound=0.0)
_FAULTS = flags.DEFINE_integer("faults", 10**6, "Nor after so many faults.", lower_bound=1)
_PAUSE_S = flags.DEFINE_float(
    "pause", 0.0, "The least seconds from one fault to the next.", lower_bound=0.0
)
_STEPS = flags.DEFINE_integer(
    "steps",
    None,
    "Actor steps after which the run ends by itself, which must come to pass; without it the run "
    "goes on until it is told to stop.",
    lower_bound=1,
)
_STEP_S = flags.DEFINE_float(
    "step_seconds",
    0.0,
    "What a step of an environment takes: a long run need not take the whole machine.",
    lower_bound=0.0,
)
_SEED = flags.DEFINE_integer("seed", 0, "Of which faults come when.")
_ENGINE = flags.DEFINE_enum(
    "engine",
    "local",
    ["local", "ray"],
    "Of the run; with ray, it is spread over hosts that are lost and cut off.",
)
_OUT = flags.DEFINE_string("out", "runs/chaos", "Where the table goes.")


def _main(arguments: list[str]) -> int:
    del arguments
    process_environment.set_for_this_process()
    # The run that this starts, and its disk, are ended by `finally` clauses.
    termination.exit_on_signals()
    # What it imports reads the environment.
    from tests.chaos import script

    survived = script.run(
        Path(_OUT.value),
        minutes=_MINUTES.value,
        faults=_FAULTS.value,
        pause_s=_PAUSE_S.value,
        steps=_STEPS.value,
        step_s=_STEP_S.value,
        seed=_SEED.value,
        engine=_ENGINE.value,
    )
    return 0 if survived else 1


if __name__ == "__main__":
    app.run(_main)
