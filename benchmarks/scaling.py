"""How an experiment's actors add up, where the cores do not limit them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measure import Comparison
from benchmarks.simulated import STEP_S
from benchmarks.training import training

_NUM_ACTORS = (1, 2, 4, 8, 16, 32)
_SETTLE_S = 4.0
_SECONDS = 8.0
# A gradient step for each 64 environment steps, one at a time: the learner works all along, and
# leaves the cores be.
_SAMPLES_PER_INSERT = 4
_STEPS_PER_CALL = 1


def run() -> Iterator[Comparison]:
    """Compares steps per second with as many times those of one actor."""
    single = None
    for num_actors in _NUM_ACTORS:
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
        single = single or speed.actor_steps_per_second
        ideal = num_actors * single
        yield Comparison(
            "scaling",
            f"actors: {num_actors}; {1000 * STEP_S:.0f} ms a step",
            "steps/s",
            (speed.actor_steps_per_second,),
            f"{num_actors} × one actor",
            (ideal,),
            0.9 if num_actors == _NUM_ACTORS[-1] else None,
            note=f"learner {speed.learner_steps_per_second:.0f} steps/s on "
            f"{speed.learner_load:.2f} cores, replay on {speed.replay_load:.2f}, parameters "
            f"{speed.parameter_age:.1f} gradient steps old",
        )
