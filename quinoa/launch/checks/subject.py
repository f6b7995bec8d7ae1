"""The agent that is checked, with the learners and batches that several checks share."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from acme import specs

from quinoa.agents import graphs, preprocessing, protocol, registry
from quinoa.agents.actions import ActionSet, action_set
from quinoa.agents.learner import Learner
from quinoa.agents.observations import Vector, observation_set
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import (
    ACTIONS_BETWEEN,
    ADDED_BY_OTHERS,
    RUNNING_RETURN,
    STATES_BETWEEN,
    WEIGHTS_BETWEEN,
    Transition,
)
from quinoa.environments.action_map import uniform_actions
from quinoa.launch.checks.variables import are_equal, assign, values_of

# Gradient steps of one call, and calls, in the checks that learn.
STEPS_PER_CALL, NUM_CALLS = 4, 3
# Gradient steps that are done eagerly: a period of two ends within them.
_EAGER_STEPS = 2
# Of the random numbers within one check.
SEED = (1, 2)


class History(NamedTuple):
    """The values of a learner's `state` at three times, and what it saved and returned.

    Attributes:
        learner: the learner, after its last call.
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
class AgentSubject:
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

    @property
    def agent_class(self) -> type[protocol.Agent]:
        """The agent's class as the learner takes it, its observations normalised or not."""
        return preprocessing.applied(self.agent.agent_class, self.config)

    def make_agent(self, config: Any = None) -> protocol.Agent:
        """A new agent, with other settings if they are given."""
        tf.random.set_seed(self.seed)
        return self.agent_class(self.config if config is None else config, self.spec)

    def make_policy(self) -> protocol.Policy:
        """A new policy, as an actor makes it."""
        return self.agent_class.make_policy(self.config, self.spec)

    @functools.cached_property
    def policy(self) -> protocol.Policy:
        """A policy as an actor makes it, which nothing changes."""
        tf.random.set_seed(self.seed)
        return self.make_policy()

    def make_learner(self, seed: int | None = None) -> Learner:
        """A new learner."""
        return Learner(
            self.agent.agent_class,
            self.config,
            self.spec,
            self.seed if seed is None else seed,
            gradient_steps=NUM_CALLS * STEPS_PER_CALL,
        )

    @functools.cached_property
    def history(self) -> History:
        """A learner after `NUM_CALLS` calls of `STEPS_PER_CALL` steps; tracing it takes long."""
        learner = self.make_learner()
        before = values_of(learner.state)
        for call in range(NUM_CALLS - 1):
            learner.step(self.batches(STEPS_PER_CALL, seed=call))
        with tempfile.TemporaryDirectory() as folder:
            path = learner.save(str(Path(folder) / "checkpoint"))
            files = {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}
        at_save = values_of(learner.state)
        metrics = learner.step(self.batches(STEPS_PER_CALL, seed=NUM_CALLS - 1))
        after = values_of(learner.state)
        return History(learner, before, files, at_save, metrics, after)

    def acted(self, batch: Transition, seed: tuple[int, int]) -> Transition:
        """A batch with actions, and extras, of the policy of `history`'s learner as it then is."""
        states = np.reshape(batch.observation, (-1, *self.spec.observations.shape))
        action, extras = self._act(tf.constant(states), tf.constant(seed))
        return batch._replace(
            action=np.reshape(action, batch.action.shape),
            extras={**batch.extras, **_unflattened(extras, batch.reward.shape)},
        )

    @functools.cached_property
    def _act(self) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, Mapping[str, tf.Tensor]]]:
        """Draws actions for N observations with a seed, int32 [2], in a graph."""
        policy = self.history.learner.agent.policy

        def act(states: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
            distribution = policy(states)
            action = distribution.sample(seed=seed)
            return action, policy.extras(distribution, action)

        traced: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, Mapping[str, tf.Tensor]]]
        traced = graphs.trace(act, tf.constant(self.states), tf.constant(SEED))
        return traced

    @functools.cached_property
    def is_repeatable(self) -> bool:
        """Whether `history`'s last steps can be done again from its checkpoint, one at a time.

        Its learner does so in the graph that it has. A learner that is new and restored does some
        of them eagerly, and so does that of `history`. Where all end as they should, calls of any
        length work and restoring does. Only otherwise do more learners have to be traced, to find
        out which of the two fails.
        """
        history = self.history
        state, last = history.learner.state, self.batches(STEPS_PER_CALL, seed=NUM_CALLS - 1)

        def continued(learner: Learner, num_steps: int) -> list[npt.NDArray[Any]]:
            for k in range(num_steps):
                learner.step(part(last, slice(k, k + 1)))
            return values_of(learner.state)

        try:
            assign(state, history.at_save)
            if not are_equal(continued(history.learner, STEPS_PER_CALL), history.after):
                return False
            assign(state, history.at_save)
            with graphs.eagerly():
                learners = history.learner, self.restored()
                return are_equal(*(continued(learner, _EAGER_STEPS) for learner in learners))
        except Exception:
            # What it is is found out, and said, by those that are traced.
            return False
        finally:
            assign(state, history.after)

    def restored(self) -> Learner:
        """A new learner, of another seed, with what the one of `history` had saved."""
        learner = self.make_learner(self.seed + 1)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.history.checkpoint.items():
                (Path(folder) / name).write_bytes(content)
            learner.restore(str(Path(folder) / "checkpoint"))
        return learner

    @property
    def actions(self) -> ActionSet:
        """What the environment's actions are."""
        return action_set(self.spec.actions)

    @property
    def is_on_policy(self) -> bool:
        """Whether it learns from what was acted with its present parameters alone."""
        return isinstance(self.config, protocol.OnPolicyConfig)

    def batches(self, *leading: int, seed: int = 0) -> Transition:
        """Random batches of the agent's own shape: leading shape [*leading, B] or [.., S, L].

        What its actors add to transitions is what they would add, with the parameters of the start.
        """
        batches = random_transitions(self.spec, *leading, *self.config.batch_shape, seed=seed)
        return batches._replace(extras=self._extras_of(batches))

    def _extras_of(self, transitions: Transition) -> dict[str, Any]:
        """What an actor adds to transitions of any leading shape, with the policy of the start."""
        leading = transitions.reward.shape
        shapes = self.layout.shapes(*leading).extras
        of_others: dict[str, Any] = {}
        if RUNNING_RETURN in shapes:
            of_others[RUNNING_RETURN] = transitions.reward
        if STATES_BETWEEN in shapes:
            rng = np.random.default_rng(self.seed)
            states = rng.normal(size=shapes[STATES_BETWEEN]).astype(np.float32)
            weights = np.full(shapes[WEIGHTS_BETWEEN], self.config.discount, np.float32)
            of_others |= {STATES_BETWEEN: states, WEIGHTS_BETWEEN: weights}
        if ACTIONS_BETWEEN in shapes:
            number = shapes[ACTIONS_BETWEEN][len(leading)]
            rng = np.random.default_rng(self.seed)
            actions = uniform_actions(self.spec.actions, rng, *leading, number)
            of_others[ACTIONS_BETWEEN] = actions.astype(np.float32)
        if set(shapes) <= ADDED_BY_OTHERS:
            return of_others
        count = int(np.prod(leading))
        states, actions = (
            tf.reshape(field, [count, *field.shape[len(leading) :]])
            for field in (transitions.observation, transitions.action)
        )
        extras = self.policy.extras(self.policy(states), actions)
        return {**_unflattened(extras, leading), **of_others}

    @functools.cached_property
    def layout(self) -> RowLayout:
        """Of the rows that its transitions travel as."""
        return RowLayout(self.spec, self.agent_class.extras_spec(self.config, self.spec))

    @property
    def states(self) -> npt.NDArray[Any]:
        """The observations of a random batch, float32 [N, O] or uint8 [N, H, W, C]."""
        return np.reshape(self.batches().observation, (-1, *self.spec.observations.shape))

    def states_of_size(self, scale: float) -> npt.NDArray[Any]:
        """The same, each multiplied by a number; of images only as far as pixels go."""
        observations, states = observation_set(self.spec.observations), self.states
        if isinstance(observations, Vector):
            return np.float32(scale) * states
        return np.minimum(scale * states, observations.maximum).astype(np.uint8)


def _unflattened(extras: Mapping[str, Any], leading: tuple[int, ...]) -> dict[str, Any]:
    """Extras of N transitions, [N, ...] each, in the leading shape that those have."""
    return {name: np.reshape(value, (*leading, *value.shape[1:])) for name, value in extras.items()}


def random_transitions(spec: specs.EnvironmentSpec, *leading: int, seed: int = 0) -> Transition:
    """Random transitions of an environment's shapes, a tenth of them terminal; numpy arrays."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> npt.NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    observations = observation_set(spec.observations)

    def drawn() -> npt.NDArray[Any]:
        if isinstance(observations, Vector):
            return normal(*leading, observations.size)
        shape = (*leading, *observations.shape)
        return rng.integers(observations.maximum, size=shape, dtype=np.uint8, endpoint=True)

    observation = drawn()
    action = uniform_actions(spec.actions, rng, *leading)
    reward = normal(*leading)
    ends = rng.uniform(size=leading) <= 0.1
    return Transition(
        observation=observation,
        action=action,
        reward=reward,
        discount=1.0 - ends.astype(np.float32),
        next_observation=drawn(),
        last=ends,
    )


def part(transitions: Transition, which: Any) -> Transition:
    """The same index or slice of every field."""
    found: Transition = tf.nest.map_structure(lambda field: field[which], transitions)
    return found


def tensors(transitions: Transition) -> Transition:
    """The same as tensors."""
    converted: Transition = tf.nest.map_structure(tf.convert_to_tensor, transitions)
    return converted
