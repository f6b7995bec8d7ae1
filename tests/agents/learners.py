"""Learners that tests share, as tracing a learner's graph is what such a test costs."""

from __future__ import annotations

import collections
import threading
from collections.abc import Hashable

import numpy as np
from acme import specs

from quinoa.agents.learner import Learner
from quinoa.agents.protocol import Agent, LearnerConfig
from tests.agents.fixtures import make_spec


class LearnerPool:
    """Gives learners that are as new, with the graphs that earlier tests have traced."""

    def __init__(self, spec: specs.EnvironmentSpec | None = None) -> None:
        """Gives learners for one environment, by default that of `make_spec`."""
        self._spec = make_spec() if spec is None else spec
        self._made: dict[Hashable, list[Learner]] = collections.defaultdict(list)
        self._initial: dict[Hashable, list[np.ndarray]] = {}
        self._num_taken: collections.Counter[Hashable] = collections.Counter()

    def take(
        self,
        agent_class: type[Agent],
        config: LearnerConfig,
        seed: int = 0,
        *,
        jit_compile: bool | None = None,
    ) -> Learner:
        """Returns a learner in the state of a new one, other than those taken since `give_back`.

        Args:
            agent_class: see `Learner`, as are the others.
            config: of the agent.
            seed: of the initial parameters and the learner's random numbers.
            jit_compile: whether XLA compiles its steps.
        """
        # 2 and 2.0 are equal, and are not the same setting.
        key = (agent_class, repr(config), jit_compile)
        index = self._num_taken[key]
        self._num_taken[key] += 1
        as_new = (agent_class, repr(config), seed)
        if index == len(self._made[key]) or as_new not in self._initial:
            new = Learner(agent_class, config, self._spec, seed, jit_compile=jit_compile)
            self._initial[as_new] = [variable.numpy() for variable in new.state]
            if index == len(self._made[key]):
                self._made[key].append(new)
                return new
        learner = self._made[key][index]
        _make_as_new(learner, self._initial[as_new])
        return learner

    def give_back(self) -> None:
        """Lets every learner be taken again."""
        self._num_taken.clear()


class LearnersOfRuns:
    """Takes the place of `Learner` where a run makes its learner in this process.

    One that a run has done with, as the run was in a thread that has another one now, or that has
    ended, is made as new for the next run of the same agent, settings and environment. So the
    graphs of its steps, and of its policy's actions, are traced once.
    """

    def __init__(self) -> None:
        """Makes nothing yet."""
        self._lock = threading.Lock()
        self._made: dict[Hashable, list[tuple[Learner, threading.Thread]]]
        self._made = collections.defaultdict(list)
        self._initial: dict[Hashable, list[np.ndarray]] = {}

    def __call__(
        self,
        agent_class: type[Agent],
        config: LearnerConfig,
        spec: specs.EnvironmentSpec,
        seed: int,
        *,
        gradient_steps: int | None = None,
    ) -> Learner:
        """Returns a learner in the state of a new one; see `Learner`."""
        # Only a schedule of learning rates depends on them.
        length = None if config.learning_rate_schedule == "constant" else gradient_steps
        key, thread = (agent_class, repr(config), repr(spec), length), threading.current_thread()
        as_new = (*key, seed)
        with self._lock:
            made = self._made[key]
            free = [
                index
                for index, (_, owner) in enumerate(made)
                if owner is thread or not owner.is_alive()
            ]
            if not free or as_new not in self._initial:
                new = Learner(agent_class, config, spec, seed, gradient_steps=length)
                self._initial[as_new] = [variable.numpy() for variable in new.state]
                if not free:
                    made.append((new, thread))
                    return new
            learner, _ = made[free[0]]
            made[free[0]] = (learner, thread)
        _make_as_new(learner, self._initial[as_new])
        return learner


def _make_as_new(learner: Learner, initial: list[np.ndarray]) -> None:
    for variable, value in zip(learner.state, initial, strict=True):
        variable.assign(value)
    learner._skipped.assign(0)
    learner.status.forget()
    learner._is_initialized, learner._taken = False, ()
