"""The actor and the whole system beside Acme and Stable-Baselines3, in turns on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks import actor, peers, stage
from benchmarks.measure import BenchmarkError, Comparison, in_turns
from benchmarks.setting import TASK
from benchmarks.training import training

_ACME_TASK = TASK.removeprefix("control:")
_ACTOR_SECONDS = 8
_SYSTEM_SECONDS = 20
# From the first gradient step to the beginning of the window.
_SETTLE_S = 5.0
_ROUNDS = 3
# 256 samples of each environment step are one batch: one gradient step for each.
_EVEN, _FREE = 256, 0
_SAME_SIZES = (
    *(f"--env={TASK}", "--agent=iq", "--num_actors=1"),
    *("--set=batch_size=256", "--set=hidden_sizes=256,256"),
)


def run() -> Iterator[Comparison]:
    """Compares with the peers, which are there: see `peers.require`."""
    yield from _actors()
    yield from _systems()
    yield from _free_actors()


def _actors() -> Iterator[Comparison]:
    def acme() -> float:
        core = stage.usable_cores()[0]
        seconds = f"--seconds={_ACTOR_SECONDS}"
        answer = peers.run("acme", "actor", f"--task={_ACME_TASK}", f"--core={core}", seconds)
        return float(answer["steps_per_second"])

    def ours() -> float:
        return actor.speed(TASK, "iq")

    ours_speeds, acme_speeds = in_turns([ours, acme], _ROUNDS)
    yield Comparison(
        "actor",
        f"{TASK}, {actor.NUM_ENVIRONMENTS} environments, segments of {actor.SEGMENT_LENGTH}",
        "steps/s",
        ours_speeds,
        "Acme's EnvironmentLoop",
        acme_speeds,
        10.0,
    )


def _systems() -> Iterator[Comparison]:
    """One gradient step for each environment step: speed, memory and time to the first step."""
    started: dict[str, list[float]] = {"ours": [], "acme": []}
    memory: dict[str, list[float]] = {"ours": [], "acme": []}

    def ours() -> float:
        with training(*_SAME_SIZES, f"--samples_per_insert={_EVEN}") as run:
            started["ours"].append(run.wait_for_learner())
            speed = run.speed(_SYSTEM_SECONDS, after_s=_SETTLE_S)
            memory["ours"].append(run.actor_memory())
        _check_ratio("ours", speed.learner_steps_per_second, speed.actor_steps_per_second)
        return speed.actor_steps_per_second

    def acme() -> float:
        answer = _acme(_EVEN)
        started["acme"].append(answer["seconds_to_first_learner_step"])
        memory["acme"].append(answer["actor_resident_mb"])
        _check_ratio("Acme", answer["learner_steps_per_second"], answer["actor_steps_per_second"])
        return float(answer["actor_steps_per_second"])

    def sb3(*flags: str) -> float:
        seconds = f"--seconds={_SYSTEM_SECONDS}"
        answer = peers.run("sb3", "system", f"--task={_ACME_TASK}", seconds, *flags)
        return float(answer["steps_per_second"])

    def sb3_at_best() -> float:
        # One thread can be faster than the default, one a core.
        return max(sb3(), sb3("--threads=1"))

    ours_speeds, acme_speeds, sb3_speeds = in_turns([ours, acme, sb3_at_best], _ROUNDS)
    case = "one gradient step for each environment step"
    for name, speeds, goal in (
        ("Acme's distributed D4PG", acme_speeds, 8.0),
        ("Stable-Baselines3's SAC", sb3_speeds, 4.0),
    ):
        yield Comparison("system", case, "steps/s", ours_speeds, name, speeds, goal)
    for benchmark, case, unit, figures in (
        ("memory", "one actor's process, resident", "MB", memory),
        ("start", "to the first gradient step", "s", started),
    ):
        yield Comparison(
            benchmark,
            case,
            unit,
            tuple(figures["ours"]),
            "Acme's distributed D4PG",
            tuple(figures["acme"]),
            1.0,
            lower_is_better=True,
        )


def _free_actors() -> Iterator[Comparison]:
    """At no fixed ratio: what actors do beside a learner that never waits."""
    learners: dict[str, list[float]] = {"ours": [], "acme": []}

    def ours() -> float:
        flags = (f"--samples_per_insert={_FREE}", f"--set=segment_length={actor.SEGMENT_LENGTH}")
        with training(*_SAME_SIZES, *flags) as run:
            run.wait_for_learner()
            speed = run.speed(_SYSTEM_SECONDS, after_s=_SETTLE_S)
        learners["ours"].append(speed.learner_steps_per_second)
        return speed.actor_steps_per_second

    def acme() -> float:
        answer = _acme(_FREE)
        learners["acme"].append(answer["learner_steps_per_second"])
        return float(answer["actor_steps_per_second"])

    ours_speeds, acme_speeds = in_turns([ours, acme], _ROUNDS)
    yield Comparison(
        "system",
        "actors free, beside a busy learner",
        "steps/s",
        ours_speeds,
        "Acme's distributed D4PG",
        acme_speeds,
        10.0,
        note="gradient steps per second meanwhile: ours "
        f"{statistics.median(learners['ours']):.0f}, Acme's "
        f"{statistics.median(learners['acme']):.0f}",
    )


def _check_ratio(whose: str, learner_rate: float, actor_rate: float) -> None:
    """Raises `BenchmarkError` unless there was a gradient step for each environment step."""
    if not 0.9 < learner_rate / actor_rate < 1.1:
        raise BenchmarkError(
            f"{whose}: {learner_rate:.0f} gradient steps/s and {actor_rate:.0f} environment "
            "steps/s: the ratio was not kept."
        )


def _acme(samples_per_insert: int) -> dict[str, float]:
    flags = (f"--samples_per_insert={samples_per_insert}", f"--seconds={_SYSTEM_SECONDS}")
    return peers.run("acme", "system", f"--task={_ACME_TASK}", "--num_actors=1", *flags)
