"""Route graphs: decision processes as lists of actions and of the states that these lead to."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

# Of float64; integers where it says so.
Array = npt.NDArray[Any]


class RouteGraphError(ValueError):
    """A graph, a route or reward weights do not fit together; the message says what to do."""


class DivergenceError(RouteGraphError):
    """A sum over all paths is infinite, because going round a cycle costs too little."""


class Grouping(NamedTuple):
    """Edges in the order of a state of theirs.

    Attributes:
        order: integer [E], the edges.
        starts: int32 [S + 1]; those of state s are `order[starts[s] : starts[s + 1]]`.
    """

    order: Array
    starts: Array


@dataclasses.dataclass(frozen=True, eq=False)
class RouteGraph:
    """A Markov decision process with K features for each action, and without rewards.

    What a state's own features count, as in the paper, each of its actions counts: a path is then
    charged for a state when it leaves it, and not for its destination.

    Attributes:
        num_states: S.
        action_state: integer [A], the state in which each action can be chosen.
        features: float64 [A, K].
        edge_action: integer [E], in ascending order, and with each action at least once.
        edge_target: integer [E], the state that the edge leads to.
        edge_probability: float64 [E], P(target | state, action), above 0; those of an action sum to
            1. If dynamics are deterministic, E is A and all are 1.

    Raises:
        RouteGraphError: shapes, states, probabilities or features that are none of this.
    """

    num_states: int
    action_state: Array
    features: Array
    edge_action: Array
    edge_target: Array
    edge_probability: Array

    def __post_init__(self) -> None:
        num_actions, num_edges = len(self.action_state), len(self.edge_action)
        if self.features.ndim != 2 or len(self.features) != num_actions:
            raise RouteGraphError(
                f"features must be [A, K] with A = {num_actions}, the number of actions; they are "
                f"{list(self.features.shape)}."
            )
        if not np.all(np.isfinite(self.features)):
            raise RouteGraphError("features must be finite.")
        for name in ("action_state", "edge_target"):
            states = getattr(self, name)
            if len(states) and not (states.min() >= 0 and states.max() < self.num_states):
                raise RouteGraphError(f"{name} must hold states from 0 to {self.num_states - 1}.")
        if len(self.edge_target) != num_edges or len(self.edge_probability) != num_edges:
            raise RouteGraphError("edge_action, edge_target and edge_probability differ in length.")
        if np.any(np.diff(self.edge_action) < 0) or not np.array_equal(
            np.unique(self.edge_action), np.arange(num_actions)
        ):
            raise RouteGraphError("edge_action must hold each action, in ascending order.")
        sums = np.bincount(self.edge_action, self.edge_probability, num_actions)
        if np.any(self.edge_probability <= 0) or not np.allclose(sums, 1.0, rtol=0, atol=1e-9):
            raise RouteGraphError(
                "The probabilities of an action's edges must be above 0 and sum to 1."
            )

    @classmethod
    def deterministic(
        cls, num_states: int, source: npt.ArrayLike, target: npt.ArrayLike, features: npt.ArrayLike
    ) -> RouteGraph:
        """A graph in which each action has one edge.

        Args:
            num_states: S.
            source: integer [A], the state that each action leaves.
            target: integer [A], the state that it leads to.
            features: float64 [A, K].
        """
        states = np.asarray(source, dtype=np.int64)
        return cls(
            num_states,
            states,
            np.asarray(features, dtype=np.float64),
            np.arange(len(states)),
            np.asarray(target, dtype=np.int64),
            np.ones(len(states)),
        )

    @classmethod
    def from_tables(cls, transition: npt.ArrayLike, features: npt.ArrayLike) -> RouteGraph:
        """The graph of an MDP that is given by tables, as the paper's Algorithm 1 has it.

        Args:
            transition: float64 [S, A', S], P(s' | s, a). An action that does not exist in a state
                has zeros there.
            features: float64 [S, K], of each state.
        """
        table = np.asarray(transition, dtype=np.float64)
        state, action = np.nonzero(table.sum(axis=-1) > 0)
        edge_action, edge_target = np.nonzero(table[state, action])
        return cls(
            table.shape[0],
            state,
            np.asarray(features, dtype=np.float64)[state],
            edge_action,
            edge_target,
            table[state[edge_action], action[edge_action], edge_target],
        )

    @property
    def num_features(self) -> int:
        """K."""
        return self.features.shape[1]

    @functools.cached_property
    def edge_source(self) -> Array:
        """Integer [E], the state that each edge leaves."""
        return self.action_state[self.edge_action]

    @functools.cached_property
    def by_source(self) -> Grouping:
        """The edges that leave each state."""
        return self._grouping(self.edge_source)

    @functools.cached_property
    def by_target(self) -> Grouping:
        """The edges that lead to each state."""
        return self._grouping(self.edge_target)

    def edges_from(self, state: int) -> Array:
        """The edges that leave a state, integer."""
        order, starts = self.by_source
        return order[starts[state] : starts[state + 1]]

    def rewards(self, theta: Array) -> Array:
        """θᵀf of each action, [A].

        Raises:
            RouteGraphError: the weights are not K finite numbers.
        """
        if np.shape(theta) != (self.num_features,) or not np.all(np.isfinite(theta)):
            raise RouteGraphError(
                f"theta must be {self.num_features} finite numbers, one for each feature."
            )
        return self.features @ theta

    def route(self, states: Sequence[int] | Array) -> Array:
        """The edges of a route that is given by its states.

        Args:
            states: integer [T + 1], from the origin to the destination.

        Returns:
            Integer [T].

        Raises:
            RouteGraphError: the route leaves the graph, or several edges join two of its states.
        """
        possible = self.edges_between(states)
        for state, following, found in zip(states, states[1:], possible, strict=False):
            if len(found) > 1:
                raise RouteGraphError(
                    f"{len(found)} edges lead from state {state} to state {following}: give the "
                    "route as edges, not as states."
                )
        return np.array([found[0] for found in possible], dtype=np.int64)

    def edges_between(self, states: Sequence[int] | Array) -> list[Array]:
        """For each step of a route that is given by its states, the edges that it may be over.

        Args:
            states: integer [T + 1].

        Raises:
            RouteGraphError: the route leaves the graph.
        """
        possible = []
        for step, state in enumerate(states):
            if not 0 <= state < self.num_states:
                raise RouteGraphError(
                    f"The route leaves the graph at its step {max(step - 1, 0)}: there is no state "
                    f"{state}, only 0 to {self.num_states - 1}."
                )
        for step, (state, following) in enumerate(itertools.pairwise(states)):
            leaving = self.edges_from(state)
            possible.append(leaving[self.edge_target[leaving] == following])
            if len(possible[-1]) == 0:
                raise RouteGraphError(
                    f"The route leaves the graph at its step {step}: no action leads from state "
                    f"{state} to state {following}."
                )
        return possible

    def states(self, route: Array) -> Array:
        """The states of a route, integer [T + 1]: the sources of its edges, and its destination.

        Raises:
            RouteGraphError: the route has no edge, one that the graph has not, or two that do not
                follow one another.
        """
        if len(route) == 0:
            raise RouteGraphError("A route must have at least one edge.")
        if not (np.min(route) >= 0 and np.max(route) < len(self.edge_action)):
            raise RouteGraphError(
                f"A route's edges must be from 0 to {len(self.edge_action) - 1}, the graph's."
            )
        source, target = self.edge_source[route], self.edge_target[route]
        gaps = np.flatnonzero(target[:-1] != source[1:])
        if len(gaps):
            raise RouteGraphError(
                f"The route leaves the graph at its step {gaps[0] + 1}: its edge begins in state "
                f"{source[gaps[0] + 1]}, and the one before ends in state {target[gaps[0]]}."
            )
        return np.append(source, target[-1])

    def _grouping(self, states: Array) -> Grouping:
        order = np.argsort(states, kind="stable")
        starts = np.zeros(self.num_states + 1, dtype=np.int32)
        np.cumsum(np.bincount(states, minlength=self.num_states), out=starts[1:])
        return Grouping(order, starts)
