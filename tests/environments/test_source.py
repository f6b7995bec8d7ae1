"""What a user gives as an environment, and the copies that are made of one that is ready."""

from __future__ import annotations

import random

import numpy as np
import pytest
from dm_control import suite

from quinoa.environments.source import environment_source
from tests.environments import fakes


def test_copies_of_an_environment_of_the_control_suite_have_their_own_starts():
    maker = environment_source(suite.load("reacher", "easy", task_kwargs={"random": 0})).maker
    assert maker is not None
    first, same, other = (
        np.concatenate([*maker(seed=seed).reset().observation.values()]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


class Drawing(fakes.ScriptedEnvironment):
    """Holds a generator of random numbers, in itself or in what it wraps."""

    def __init__(self, generator, inner=None):
        super().__init__([fakes.Episode(3)])
        self.generator, self.inner = generator, inner
        if inner is not None:
            inner.outer = self


@pytest.mark.parametrize(
    ("make", "draw"),
    [
        (np.random.default_rng, lambda generator: generator.random()),
        (np.random.RandomState, lambda generator: generator.rand()),
        (random.Random, lambda generator: generator.random()),
    ],
)
def test_generators_of_every_kind_are_seeded_also_of_what_is_wrapped(make, draw):
    ready = Drawing(make(0), inner=Drawing(make(0)))
    maker = environment_source(ready).maker
    assert maker is not None
    copies = [maker(seed=seed) for seed in (5, 6)]
    drawn = [draw(of.generator) for copy in copies for of in (copy, copy.inner)]
    assert drawn == [draw(make(5))] * 2 + [draw(make(6))] * 2
    assert draw(ready.generator) == draw(make(0))
