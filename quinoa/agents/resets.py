"""Resets: what is learned begins anew after each period, and replay stays.

Nikishin, Schwarzer, D'Oro, Bacon & Courville (2022), "The Primacy Bias in Deep Reinforcement
Learning", section 4: networks, their targets and their optimisers are initialised again, all of
them where observations are vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from quinoa.agents import initialization
from quinoa.agents.protocol import Agent, Policy


class Span(NamedTuple):
    """Consecutive gradient steps of one call, between which there is no reset.

    Attributes:
        begin: the index of the first one's batch.
        end: the index after that of the last one's.
        comes_after_reset: whether there is a reset before the first one.
    """

    begin: int
    end: int
    comes_after_reset: bool


def spans(steps: int, number: int, period: int) -> list[Span]:
    """Divides a call's gradient steps by the resets between them.

    A reset is done before the step that follows a multiple of the period.

    Args:
        steps: how many were done before the call.
        number: of the call, at least 1.
        period: in steps, at least 1.
    """
    edges = [0, *range(period - steps % period, number, period), number]
    return [
        Span(begin, end, steps + begin > 0 and (steps + begin) % period == 0)
        for begin, end in itertools.pairwise(edges)
    ]


def is_missed(saved: int, steps: int, period: int) -> bool:
    """Whether a checkpoint is from before a reset that was done since.

    At a multiple of the period, a checkpoint is from before the reset, which the next step does.

    Args:
        saved: the gradient steps done when it was made.
        steps: those done by now, at least as many.
        period: in steps; 0 is no resets.
    """
    return period > 0 and max(-(-saved // period), 1) * period < steps


def renew(agent: Agent, make: Callable[[], Agent], entropy: Sequence[int]) -> None:
    """Gives an agent's variables the values of a new agent, but for those that it keeps.

    It keeps `Agent.kept_in_resets` and, as a schedule goes on, what its policies have `scheduled`.

    Args:
        agent: whose variables change.
        make: makes an agent of the same class, configuration and environment.
        entropy: what the new values follow from, at least 0 each.
    """
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
    with initialization.alone(seed):
        fresh = make()
    policies = [module for module in agent.submodules if isinstance(module, Policy)]
    scheduled = (variable for policy in policies for variable in policy.scheduled())
    kept = {variable.ref() for variable in (*agent.kept_in_resets(), *scheduled)}
    for variable, new in zip(agent.variables, fresh.variables, strict=True):
        if variable.ref() not in kept:
            variable.assign(new)
