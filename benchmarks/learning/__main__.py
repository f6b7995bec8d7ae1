"""The command line: python -m benchmarks.learning [--task=..] [--steps=..] [--minutes=..].

Each run's curve is kept as soon as the run has ended, and a second call does what is missing.
"""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path

from absl import app, flags

from benchmarks import peers
from benchmarks.learning import curve, report
from benchmarks.learning.curve import Curve
from benchmarks.learning.systems import Quinoa, Setting, StableBaselines, System
from benchmarks.measure import BenchmarkError
from quinoa.launch.machine import process_environment, termination
from quinoa.launch.terminal import numbers

# Of the presets: one update of 256 transitions for four steps, with which IQ learns most in a given
# time on few cores (docs/decisions/iq_search.md).
_STEPS_PER_UPDATE = 4
_SYSTEMS: dict[str, System] = {
    "iq": Quinoa(
        "Quinoa's IQ, normalisation and a categorical V",
        ("--preset=dm_control/iq_categorical",),
        _STEPS_PER_UPDATE,
    ),
    "sac": Quinoa("Quinoa's SAC", ("--preset=gym/sac",), _STEPS_PER_UPDATE),
    "sb3_sac": StableBaselines("Stable-Baselines3's SAC", "sb3", "stable_baselines3.SAC"),
    "sbx_sac": StableBaselines("SBX's SAC (JAX)", "sbx", "sbx.SAC"),
    "sbx_crossq": StableBaselines("SBX's CrossQ (JAX)", "sbx", "sbx.CrossQ"),
}

_TASK = flags.DEFINE_list(
    "task", ["gym:HalfCheetah-v5", "control:cheetah:run"], "What is learned, one or several."
)
_SYSTEM = flags.DEFINE_list("system", list(_SYSTEMS), "Which systems learn, in this order.")
_STEPS = flags.DEFINE_integer(
    "steps",
    300_000,
    "Environment steps of a peer's run, which has a gradient step for each. Our runs have as many "
    "gradient steps, and four times as many environment steps.",
    lower_bound=1,
)
_MINUTES = flags.DEFINE_float(
    "minutes",
    None,
    "Stop each run at its first evaluation after so many minutes; without, at its last step.",
    lower_bound=0.1,
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds of each system and task.")
_PERIOD = flags.DEFINE_integer(
    "period", 10_000, "Environment steps between evaluations, of every run.", lower_bound=1
)
_EPISODES = flags.DEFINE_integer("episodes", 5, "Episodes of an evaluation.", lower_bound=1)
_OUT = flags.DEFINE_string("out", "runs/benchmarks-learning", "Where the results go.")


def _main(arguments: list[str]) -> int:
    unknown = [name for name in _SYSTEM.value if name not in _SYSTEMS]
    if arguments[1:] or unknown:
        print(f"benchmarks: --system takes names out of {', '.join(_SYSTEMS)}.", file=sys.stderr)
        return 2
    process_environment.set_for_this_process()
    termination.exit_on_signals()
    out = Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    systems = {name: _SYSTEMS[name] for name in _SYSTEM.value}
    runs = [
        (task, name, int(seed)) for task in _TASK.value for seed in _SEEDS.value for name in systems
    ]
    minutes = _MINUTES.value or math.inf
    curves: dict[tuple[str, str, int], Curve] = {}
    try:
        theirs = [each for each in systems.values() if isinstance(each, StableBaselines)]
        peers.require([each.environment for each in theirs], "make bench-learning")
        for index, (task, name, seed) in enumerate(runs, start=1):
            setting = Setting(task, seed, _STEPS.value, _PERIOD.value, _EPISODES.value)
            steps = systems[name].steps(setting.steps)
            whole = out / f"{task.replace(':', '-')}.{name}.{steps}.{seed}.csv"
            stopped = whole.with_suffix(f".{minutes:g}min.csv")
            title = f"{index} of {len(runs)}: {systems[name].name} on {task}, seed {seed}"
            kept = [path for path in (whole, stopped) if path.exists()]
            if kept:
                _say(f"{title}: is in {kept[0]}.")
                curves[task, name, seed] = curve.read(kept[0])
                continue
            _say(title)
            curves[task, name, seed] = learned = _learned(systems[name], setting, minutes)
            end = learned.evaluations[-1]
            was_stopped = end.steps < steps and end.seconds >= 60.0 * minutes
            curve.write(learned, stopped if was_stopped else whole)
            report.write(curves, systems, _STEPS.value, out)
    except (BenchmarkError, OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(report.write(curves, systems, _STEPS.value, out))
    print(f"Written to {out}: results.md, return.png, and a CSV of every run")
    return 0


def _learned(system: System, setting: Setting, minutes: float) -> Curve:
    evaluations = []
    steps = system.steps(setting.steps)
    with contextlib.closing(system.learn(setting)) as evaluated:
        for each in evaluated:
            evaluations.append(each)
            _say(
                f"  {each.steps:,} of {steps:,} steps after {numbers.duration(each.seconds)}: "
                f"return {each.mean_return:,.0f}"
            )
            if each.seconds >= 60.0 * minutes:
                break
    if not evaluations:
        raise BenchmarkError(f"{system.name} was not evaluated once.")
    return Curve(evaluations)


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    app.run(_main)
