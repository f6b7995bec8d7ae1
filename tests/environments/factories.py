"""Factories for `tests.environments.factories:<name>`, good and bad."""

from __future__ import annotations

import collections
import sys
import types
from typing import Any

import numpy as np

from tests.environments import fakes

EPISODES = (fakes.Episode(3), fakes.Episode(2, terminates=False))

not_callable = 7


def seeded(seed: int) -> fakes.ScriptedEnvironment:
    return fakes.ScriptedEnvironment(
        EPISODES, identity=int(np.random.default_rng(seed).integers(99))
    )


def unseeded() -> fakes.ScriptedEnvironment:
    return fakes.ScriptedEnvironment(EPISODES, identity=-1)


def any_keywords(**keywords: Any) -> fakes.ScriptedEnvironment:
    return fakes.ScriptedEnvironment(EPISODES, identity=keywords["seed"])


def needs_a_map(map_name: str, seed: int) -> fakes.ScriptedEnvironment:
    raise AssertionError(f"called with {map_name} and {seed}")


class Grid(fakes.ScriptedEnvironment):
    def __init__(self, size: int):
        raise AssertionError(f"a grid of {size}")


def of_difficulty(difficulty: int, *, wind: float = 0.0) -> fakes.ScriptedEnvironment:
    raise AssertionError(f"called with {difficulty} and {wind}")


def by_rng_seed(rng_seed: int) -> fakes.ScriptedEnvironment:
    return fakes.ScriptedEnvironment(EPISODES, identity=rng_seed)


def no_environment() -> collections.Counter[str]:
    return collections.Counter()


def broken(seed: int) -> fakes.ScriptedEnvironment:
    raise ZeroDivisionError(f"the factory's own error, seed {seed}")


def exits(seed: int) -> fakes.ScriptedEnvironment:
    sys.exit(0)


class ExitsWhenAskedForItsSpecs(fakes.ScriptedEnvironment):
    def observation_spec(self) -> Any:
        sys.exit("no licence")


def exits_when_asked_for_its_specs() -> fakes.ScriptedEnvironment:
    return ExitsWhenAskedForItsSpecs(EPISODES)


def interrupted() -> fakes.ScriptedEnvironment:
    raise KeyboardInterrupt


def unbounded_actions() -> fakes.FakeEnvironment:
    from dm_env import specs

    return fakes.FakeEnvironment(action_spec=specs.Array((2,), int))


holder = types.SimpleNamespace(nested=unseeded)
