"""What environments agents work on: those whose specs are canonical."""

from __future__ import annotations

from typing import Any, NoReturn

from acme import specs

from quinoa.agents.actions import ActionSet, Box, FiniteProduct, FiniteSet, action_set
from quinoa.agents.observations import Image, ObservationSet, Vector, observation_set

# Each kind of observations and of actions, whatever its sizes are.
_WORDS: dict[type[Any], str] = {
    Vector: "float32 vectors [O]",
    Image: "images, uint8 [H, W, C]",
    Box: "float32 vectors [A] in [-1, 1]",
    FiniteSet: "one of n, a DiscreteArray",
    FiniteProduct: "int32 [K] from 0 on",
}


class SpecError(ValueError):
    """An environment's specs are not what agents work on; the message says what is."""


def check_spec(
    spec: specs.EnvironmentSpec,
    *,
    actions: type[ActionSet] | tuple[type[ActionSet], ...] = Box,
    observations: type[ObservationSet] | tuple[type[ObservationSet], ...] = Vector,
) -> None:
    """Checks that an environment is canonical, and that it is what an agent takes.

    Canonical are observations that are either vectors, float32 [O], or images, uint8 [H, W, C], and
    actions that are a box, float32 [A] bounded by -1 and 1, a finite set, one of n, or a product of
    finite sets, int32 [K].
    Agents call it where they are made and where their policies are; `Agent.check_spec` is the place
    to say what an agent takes.

    Args:
        spec: of the environment.
        actions: what the agent takes: `Box`, `FiniteSet`, `FiniteProduct`, or several of them.
        observations: what the agent takes, `Vector`, `Image` or both.

    Raises:
        SpecError: the specs are not canonical, or observations or actions of the other kind.
    """
    try:
        seen = observation_set(spec.observations)
    except ValueError:
        _refuse("observations", _in_words(observations), spec.observations)
    try:
        found = action_set(spec.actions)
    except ValueError:
        _refuse("actions", _in_words(actions), spec.actions)
    if not isinstance(found, actions):
        _refuse_actions(found, actions)
    if not isinstance(seen, observations):
        _refuse_observations(seen, found)


def images_of_finite_sets(spec: specs.EnvironmentSpec) -> tuple[type[ObservationSet], ...]:
    """The `observations` of an agent that takes images where actions are finite sets alone.

    Its policy on a box reads vectors, and only those on finite sets have convolutions.
    """
    try:
        is_finite = not isinstance(action_set(spec.actions), Box)
    except ValueError:
        # `check_spec` refuses the actions.
        is_finite = False
    return (Vector, Image) if is_finite else (Vector,)


def _refuse_actions(
    found: ActionSet, taken: type[ActionSet] | tuple[type[ActionSet], ...]
) -> NoReturn:
    takes_finite_sets = FiniteSet in (taken if isinstance(taken, tuple) else (taken,))
    if isinstance(found, FiniteProduct) and takes_finite_sets:
        raise SpecError(
            "This agent takes one choice from a finite set, but the environment's actions are "
            f"{found}: take an agent with a softmax for each choice, such as a2c or iq, or number "
            "the combinations, one action each (gymnasium.wrappers.TransformAction)."
        )
    if not isinstance(found, Box):
        raise SpecError(
            "This agent takes actions from a box (environments.make brings continuous ones to "
            f"float32 vectors [A] in [-1, 1]), but the environment's actions are {found}: take an "
            "agent for finite sets of actions, or another environment."
        )
    raise SpecError(
        "This agent takes actions from a finite set, but the environment's actions are "
        f"{found}: take an agent for continuous actions, or another environment."
    )


def _refuse_observations(seen: ObservationSet, found: ActionSet) -> NoReturn:
    if isinstance(seen, Vector):
        raise SpecError(
            f"This agent takes images, but the environment's observations are {seen}: take another "
            "agent, or an environment of images."
        )
    if isinstance(found, Box):
        raise SpecError(
            f"The environment's observations are {seen}, and its actions {found}: this agent, as "
            "all built-in ones, takes vectors where actions are from a box. Take an environment of "
            "vectors."
        )
    another = "dqn" if isinstance(found, FiniteSet) else "a2c or iq"
    raise SpecError(
        f"This agent takes vectors, but the environment's observations are {seen}: take an agent "
        f"with convolutions, such as {another}, or an environment of vectors."
    )


def _in_words(taken: type[Any] | tuple[type[Any], ...]) -> str:
    """What an agent takes, as a message names it."""
    kinds = taken if isinstance(taken, tuple) else (taken,)
    return " or ".join(words for kind, words in _WORDS.items() if kind in kinds)


def _refuse(what: str, wanted: str, spec: Any) -> NoReturn:
    raise SpecError(
        f"The environment's {what} must be {wanted}, but their spec is {spec!r}. Make the "
        "environment with environments.make, which brings it into this form."
    )
