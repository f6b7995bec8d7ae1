"""The actor and the whole system beside Acme, in turns on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks import actor, peers, stage
from benchmarks.measure import Comparison, announced, in_turns
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
    """Compares with Acme, which is there: see `peers.require`."""
    yield from _actors()
    yield from _systems()
    yield from _free_actors()


def _actors() -> Iterator[Comparison]:
    def acme() -> float:
        core = stage.usable_cores()[0]
        seconds = f"--seconds={_ACTOR_SECONDS}"
        answer = peers.run(
            "acme", "acme/actor.py", f"--task={_ACME_TASK}", f"--core={core}", seconds
        )
        return float(answer["steps_per_second"])

    def ours() -> float:
        return actor.speed(TASK, "iq")

    ours_speeds, acme_speeds = in_turns(
        [announced("our actor", ours), announced("Acme's EnvironmentLoop", acme)], _ROUNDS
    )
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
        peers.check_ratio("ours", speed.learner_steps_per_second, speed.actor_steps_per_second)
        return speed.actor_steps_per_second

    def acme() -> float:
        answer = _acme(_EVEN)
        started["acme"].append(answer["seconds_to_first_learner_step"])
        memory["acme"].append(answer["actor_resident_mb"])
        peers.check_ratio(
            "Acme", answer["learner_steps_per_second"], answer["actor_steps_per_second"]
        )
        return float(answer["actor_steps_per_second"])

    ours_speeds, acme_speeds = in_turns(
        [announced("quinoa train, iq", ours), announced("Acme's distributed D4PG", acme)], _ROUNDS
    )
    yield Comparison(
        "system",
        "one gradient step for each environment step",
        "steps/s",
        ours_speeds,
        "Acme's distributed D4PG",
        acme_speeds,
        8.0,
    )
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

    ours_speeds, acme_speeds = in_turns(
        [
            announced("quinoa train, iq, actors free", ours),
            announced("Acme's distributed D4PG, actors free", acme),
        ],
        _ROUNDS,
    )
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


def _acme(samples_per_insert: int) -> dict[str, float]:
    flags = (f"--samples_per_insert={samples_per_insert}", f"--seconds={_SYSTEM_SECONDS}")
    return peers.run("acme", "acme/system.py", f"--task={_ACME_TASK}", "--num_actors=1", *flags)
