"""What each part of IQ's preset for the control suite costs of the learner's speed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks import arithmetic, measure, stage
from benchmarks.measure import Comparison
from benchmarks.setting import learner_config_of, of_preset, spec_of
from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch.checks.subject import random_transitions, tensors

PRESET = "dm_control/iq_categorical"
# Each is a setting of the preset that the agent does not have by default, and that a gradient step
# takes longer for.
INGREDIENTS = ("layer_norm", "normalize_observations", "value_bins")
_STEPS_PER_CALL = 50
_ROUNDS = 5
_SECONDS = 2.0
# The least ratio of the preset's speed to that of the same without all of them.
_GOAL = 0.85


def cases() -> Mapping[str, Mapping[str, Any]]:
    """What is left out of the preset, by its name in the table: settings and their defaults."""
    config = registry.load(of_preset(PRESET)["agent"]).config
    defaults = {name: getattr(config, name) for name in INGREDIENTS}
    each = {f"without {name}": {name: default} for name, default in defaults.items()}
    return {**each, "without all three": defaults}


def run() -> Iterator[Comparison]:
    """Compares the preset's learner with the same without each ingredient, and without all.

    On all cores; and on one alone, where no core waits for another.
    """
    cores = stage.usable_cores()
    for used in (cores, cores[:1]):
        alone = stage.Stage("benchmarks.ingredients:take_turns", {}, cores=used, threads=len(used))
        with alone as side:
            whole, *others = side.answer()
        for (name, left_out), speeds in zip(cases().items(), others, strict=True):
            yield Comparison(
                "learner",
                f"{PRESET}, {len(used)} of {len(cores)} cores",
                "steps/s",
                tuple(whole),
                f"the same {name}",
                tuple(speeds),
                _GOAL if len(left_out) == len(INGREDIENTS) else None,
            )


def take_turns() -> Sequence[Sequence[float]]:
    """A stage: gradient steps per second on a superbatch in memory.

    Returns:
        Those of the preset's learner, and those of each of `cases`, one number a round.
    """
    preset = of_preset(PRESET)
    agent, spec = registry.load(preset["agent"]), spec_of(preset["task"])
    # What is left out is nothing that batches depend on.
    batch_shape = learner_config_of(preset["agent"], **preset["settings"]).batch_shape
    superbatch = tensors(random_transitions(spec, _STEPS_PER_CALL, *batch_shape))

    def side(left_out: Mapping[str, Any]) -> Callable[[], float]:
        config = learner_config_of(preset["agent"], **{**preset["settings"], **left_out})
        step = arithmetic.steps_of(Learner(agent.agent_class, config, spec, seed=0), superbatch)
        # Traced and warm.
        step()
        return functools.partial(measure.rate, step, _SECONDS)

    return measure.in_turns([side(left_out) for left_out in ({}, *cases().values())], _ROUNDS)
