"""How an experiment's actors add up, where the cores do not limit them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from benchmarks.measure import Comparison
from benchmarks.progress import Part
from benchmarks.simulated import STEP_S
from benchmarks.training import training
from quinoa.launch.terminal import numbers

_NUM_ACTORS = (1, 8, 32)
_SETTLE_S = 4.0
_SECONDS = 6.0
# A gradient step for each 64 environment steps, one at a time: the learner works all along, and
# leaves the cores be.
_SAMPLES_PER_INSERT = 4
_STEPS_PER_CALL = 1


def parts() -> Sequence[Part]:
    """A part for each number of actors; that of one actor gives the others their reference."""
    single: list[float] = []
    return [
        Part(f"scaling, {numbers.count(count, 'actor')}", functools.partial(_run, count, single))
        for count in _NUM_ACTORS
    ]


def _run(num_actors: int, single: list[float]) -> Iterator[Comparison]:
    """Compares steps per second with as many times those of one actor.

    Args:
        num_actors: in the run.
        single: gets the first run's steps per second.
    """
    with training(
        "--agent=iq",
        "--env=benchmarks.simulated:make",
        f"--num_actors={num_actors}",
        "--environments_per_actor=1",
        f"--samples_per_insert={_SAMPLES_PER_INSERT}",
        f"--steps_per_call={_STEPS_PER_CALL}",
        "--set=min_replay_size=100",
    ) as run:
        run.wait_for_learner()
        run.wait_for_actors(num_actors)
        speed = run.speed(_SECONDS, after_s=_SETTLE_S)
    if not single:
        single.append(speed.actor_steps_per_second)
    yield Comparison(
        "scaling",
        f"actors: {num_actors}; {1000 * STEP_S:.0f} ms a step",
        "steps/s",
        (speed.actor_steps_per_second,),
        f"{num_actors} × one actor",
        (num_actors * single[0],),
        0.9 if num_actors == _NUM_ACTORS[-1] else None,
        note=f"learner {speed.learner_steps_per_second:.0f} steps/s on "
        f"{speed.learner_load:.2f} cores, replay on {speed.replay_load:.2f}, parameters "
        f"{speed.parameter_age:.1f} gradient steps old",
    )
