"""An agent that is checked: what it is made for, what it is given, and what became of it."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from acme import specs

from quinoa.agents import protocol, registry
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition

# Gradient steps of one call, and calls, in the checks that learn.
STEPS_PER_CALL, NUM_CALLS = 4, 3
# For whatever is random in one check alone.
SEED = (1, 2)


class History(NamedTuple):
    """What became of a learner: the values of its `state`, in its order, and more.

    Attributes:
        learner: as it is after all.
        before: the values when it was made.
        checkpoint: what it saved before its last call, file by file.
        at_save: the values then.
        metrics: of its last call.
        after: the values after that.
    """

    learner: Learner
    before: list[npt.NDArray[Any]]
    checkpoint: Mapping[str, bytes]
    at_save: list[npt.NDArray[Any]]
    metrics: Mapping[str, Any]
    after: list[npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Subject:
    """An agent, its settings, and the environment that it is checked for.

    Attributes:
        agent: what is checked, loaded.
        spec: of a canonical environment.
        seed: of everything random.
    """

    agent: registry.LoadedAgent
    spec: specs.EnvironmentSpec
    seed: int = 0

    @property
    def config(self) -> Any:
        """The settings that it is checked with."""
        return self.agent.config

    def make_agent(self, config: Any = None) -> protocol.Agent:
        """A new agent, with other settings if they are given."""
        tf.random.set_seed(self.seed)
        return self.agent.agent_class(self.config if config is None else config, self.spec)

    def make_policy(self) -> protocol.Policy:
        """A new policy, as an actor makes it."""
        return self.agent.agent_class.make_policy(self.config, self.spec)

    def make_learner(self, seed: int | None = None) -> Learner:
        """A new learner."""
        return Learner(
            self.agent.agent_class, self.config, self.spec, self.seed if seed is None else seed
        )

    @functools.cached_property
    def history(self) -> History:
        """A learner after `NUM_CALLS` calls of `STEPS_PER_CALL` steps; tracing it takes long."""
        learner = self.make_learner()
        before = [variable.numpy() for variable in learner.state]
        for call in range(NUM_CALLS - 1):
            learner.step(self.batches(STEPS_PER_CALL, seed=call))
        with tempfile.TemporaryDirectory() as folder:
            path = learner.save(str(Path(folder) / "checkpoint"))
            files = {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}
        at_save = [variable.numpy() for variable in learner.state]
        metrics = learner.step(self.batches(STEPS_PER_CALL, seed=NUM_CALLS - 1))
        after = [variable.numpy() for variable in learner.state]
        return History(learner, before, files, at_save, metrics, after)

    @functools.cached_property
    def second(self) -> Learner:
        """One that goes on from the checkpoint by single steps, to as many as `history` has.

        Where its state is the same, a learner may be restored, and calls may have any length: only
        where it is not, two more learners have to be traced to find out which of the two fails.
        """
        learner = self.restored()
        superbatch = self.batches(STEPS_PER_CALL, seed=NUM_CALLS - 1)
        for k in range(STEPS_PER_CALL):
            learner.step(Transition(*(field[k : k + 1] for field in superbatch)))
        return learner

    def restored(self) -> Learner:
        """A new learner, of another seed, with what the one of `history` had saved."""
        learner = self.make_learner(self.seed + 1)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.history.checkpoint.items():
                (Path(folder) / name).write_bytes(content)
            learner.restore(str(Path(folder) / "checkpoint"))
        return learner

    def batches(self, *leading: int, seed: int = 0) -> Transition:
        """Random batches of the agent's own size, leading shape [*leading, B]."""
        return random_transitions(self.spec, *leading, self.config.batch_size, seed=seed)


def random_transitions(spec: specs.EnvironmentSpec, *leading: int, seed: int = 0) -> Transition:
    """Random transitions of an environment's shapes, a tenth of them terminal; numpy arrays."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> npt.NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    (observation_size,), (action_size,) = spec.observations.shape, spec.actions.shape
    return Transition(
        observation=normal(*leading, observation_size),
        action=rng.uniform(-1.0, 1.0, (*leading, action_size)).astype(np.float32),
        reward=normal(*leading),
        discount=(rng.uniform(size=leading) > 0.1).astype(np.float32),
        next_observation=normal(*leading, observation_size),
    )


def tensors(transitions: Transition) -> Transition:
    """The same as tensors."""
    return Transition(*map(tf.convert_to_tensor, transitions))
