"""Gymnasium's small decision processes, `toy:<id>`, whose probabilities are known.

FrozenLake, CliffWalking and Taxi of `gymnasium.envs.toy_text`, as Gymnasium has them: a state is an
integer, which agents see as a one-hot vector, and actions are a finite set. `tabular_model` gives a
task as arrays, from which values can be computed exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt

from quinoa.environments import gymnasium_env
from quinoa.environments.canonical import CanonicalEnvironment
from quinoa.environments.errors import InvalidEnvironmentError, require_known

FloatArray = npt.NDArray[np.float64]

# The modules of Gymnasium with such tasks. Blackjack, beside them, has no table of probabilities.
_MODULES = tuple(
    f"gymnasium.envs.toy_text.{module}:" for module in ("cliffwalking", "frozen_lake", "taxi")
)
# After how many steps an episode is truncated where Gymnasium has no limit (CliffWalking): a policy
# that walks against a wall would go on for ever. It is the limit of Taxi.
_MAX_STEPS = 200
# The most sweeps of value iteration: as many as a discount of 0.9997 takes.
_MAX_SWEEPS = 100_000


@dataclasses.dataclass(frozen=True)
class TabularModel:
    """A decision process with S states and A actions, as arrays of float64.

    A time limit is not part of it: an episode that is truncated could have continued.

    Attributes:
        transition: [S, A, S], the probability P(s' | s, a).
        reward: [S, A], the mean reward of action a in state s.
        termination: [S, A, S], the probability that the episode terminates with the transition from
            s by a to s'; 0 where there is no such transition.
        initial: [S], the probability that an episode begins in s.
    """

    transition: FloatArray
    reward: FloatArray
    termination: FloatArray
    initial: FloatArray

    def action_values(self, value: FloatArray, discount: float) -> FloatArray:
        """Q(s, a) = E[r + γ (1 − terminated) V(s')], one step of dynamic programming.

        Args:
            value: V, [S].
            discount: γ.

        Returns:
            Q, [S, A].
        """
        following: FloatArray = (self.transition * (1.0 - self.termination)) @ value
        return self.reward + discount * following

    def optimal_values(self, discount: float) -> FloatArray:
        """V*, [S], by value iteration until a step changes no value by more than 1e-12.

        Args:
            discount: γ; with 1, every policy that is best at some step must come to an end.

        Raises:
            ValueError: the values still change after `_MAX_SWEEPS` steps.
        """
        value = np.zeros(len(self.initial))
        for _ in range(_MAX_SWEEPS):
            new: FloatArray = self.action_values(value, discount).max(axis=1)
            if np.abs(new - value).max() <= 1e-12:
                return new
            value = new
        raise ValueError(f"Value iteration does not converge with the discount {discount:g}.")

    def expected_return(self, policy: npt.NDArray[Any], num_steps: int) -> float:
        """The mean return, without a discount, of an episode of at most so many steps.

        Args:
            policy: the action of each state, integers [S], or π(a|s), [S, A].
            num_steps: the time limit: 100 of FrozenLake-v1, 200 of CliffWalking-v1 and Taxi-v4.
        """
        if policy.ndim == 1:
            policy = np.eye(self.reward.shape[1])[policy]
        value = np.zeros(len(self.initial))
        for _ in range(num_steps):
            value = np.sum(policy * self.action_values(value, 1.0), axis=1)
        return float(self.initial @ value)


class ToyTextEnvironment(gymnasium_env.GymnasiumEnvironment):
    """A task with its table of probabilities."""

    def model(self) -> TabularModel:
        """The task's probabilities, rewards and terminations.

        Raises:
            InvalidEnvironmentError: what follows depends on more than the state.
        """
        task: Any = self._environment.unwrapped
        if getattr(task, "fickle_passenger", False):
            raise InvalidEnvironmentError(
                "Taxi with fickle_passenger has no model of its states: whether the passenger will "
                "change the destination is not in the state."
            )
        states, actions = len(task.P), len(task.P[0])
        transition = np.zeros((states, actions, states))
        terminated = np.zeros_like(transition)
        reward = np.zeros((states, actions))
        # A next state may be listed more than once: by a slip and by the move itself.
        for state, by_action in task.P.items():
            for action, outcomes in by_action.items():
                for probability, following, of_one, ends in outcomes:
                    transition[state, action, following] += probability
                    terminated[state, action, following] += probability * ends
                    reward[state, action] += probability * of_one
        termination = np.divide(
            terminated, transition, out=np.zeros_like(terminated), where=transition > 0
        )
        return TabularModel(transition, reward, termination, task.initial_state_distrib.copy())


def tabular_model(environment: dm_env.Environment) -> TabularModel:
    """The model of a task `toy:<id>`, with the settings that it was made with.

    The observation of state s is one-hot: its element s is 1.

    Args:
        environment: as `quinoa.environments.make` has made it.

    Raises:
        InvalidEnvironmentError: it is no such task, one action stands for several steps, or what
            follows depends on more than the state.
    """
    inner = environment
    if isinstance(environment, CanonicalEnvironment):
        if environment.action_repeat != 1:
            raise InvalidEnvironmentError(
                f"{environment.name}: the model is that of single steps, and action_repeat is "
                f"{environment.action_repeat}."
            )
        inner = environment.inner
    if not isinstance(inner, ToyTextEnvironment):
        raise InvalidEnvironmentError(
            f"A model is known of {', '.join(f'toy:{id_}' for id_ in names())} only, not of "
            f"{getattr(environment, 'name', type(environment).__name__)}."
        )
    return inner.model()


def names() -> list[str]:
    """The ids of the tasks, sorted."""
    ids = gymnasium_env.own_ids().items()
    return sorted(id_ for id_, entry_point in ids if entry_point.startswith(_MODULES))


def check(id_: str) -> None:
    """Raises `UnknownEnvironmentError` if there is no task of this id."""
    require_known("toy", id_, names())


def load(
    id_: str,
    seed: int,
    *,
    rendered: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> dm_env.Environment:
    """Makes the task with this id.

    Args:
        id_: the id.
        seed: the seed of its first reset.
        rendered: whether `render` will be called.
        arguments: keyword arguments of its constructor, such as `is_slippery` and `map_name`, or of
            Gymnasium's `make`, such as `max_episode_steps`.

    Raises:
        UnknownEnvironmentError: there is no such task.
        InvalidEnvironmentError: its map would be a random one.
        NotRenderableError: it is to be rendered, and cannot be.
    """
    check(id_)
    name = f"toy:{id_}"
    given = dict(arguments or {})
    if given.get("map_name", "") is None and given.get("desc") is None:
        raise InvalidEnvironmentError(
            f"{name}: map_name=None would draw another map in each process of a run: give the rows "
            "of one map as desc."
        )
    if gymnasium_env.time_limit(id_) is None:
        given.setdefault("max_episode_steps", _MAX_STEPS)
    environment = gymnasium_env.make(id_, name, rendered=rendered, arguments=given)
    return ToyTextEnvironment(environment, seed, name)
