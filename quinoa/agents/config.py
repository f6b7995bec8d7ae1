"""What an agent can be told: the base of all agents' configurations, and how they are checked.

A configuration is a frozen dataclass. Each field says all that there is to say of a setting, once:

    tau: Annotated[float, Bounds(above=0)] = 0.01
    \"\"\"τ of Eq. 1: the temperature of the softmax that the policy is.\"\"\"

its type, its bounds, its default, and a sentence below it, which `quinoa list` and the API
reference show. A subclass that gives a field another default keeps its bounds and its sentence.
Nothing here needs TensorFlow, so that a wrong setting is known at once.
"""

from __future__ import annotations

import dataclasses
import math
import typing
import weakref
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple


class ConfigError(ValueError):
    """A field of a configuration holds something that cannot work; the message says what would."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds of a number: `Annotated[float, Bounds(above=0, at_most=1)]` is one in (0, 1].

    None leaves a side open; what is bounded is finite in any case.

    Attributes:
        above: the number is greater.
        at_least: the number is as great, or greater.
        below: the number is less.
        at_most: the number is as great, or less.
    """

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def holds(self, number: float) -> bool:
        """Whether a number is within the bounds."""
        return (
            -math.inf < number < math.inf
            and (self.above is None or number > self.above)
            and (self.at_least is None or number >= self.at_least)
            and (self.below is None or number < self.below)
            and (self.at_most is None or number <= self.at_most)
        )

    def __str__(self) -> str:
        """What the number must be, in few words: `> 0`, `at least 1`, `in [0, 1)`."""
        low = self.at_least if self.above is None else self.above
        high = self.at_most if self.below is None else self.below
        if low is not None and high is not None:
            left, right = "[" if self.above is None else "(", "]" if self.below is None else ")"
            return f"in {left}{low:.4g}, {high:.4g}{right}"
        if low is not None:
            return f"at least {low:.4g}" if self.above is None else f"> {low:.4g}"
        if high is not None:
            return f"at most {high:.4g}" if self.below is None else f"below {high:.4g}"
        return "finite"


LayerSizes = tuple[Annotated[int, Bounds(at_least=1)], ...]


@dataclasses.dataclass(frozen=True)
class AgentConfig:
    """What every off-policy agent must say. Subclasses add their own fields and defaults."""

    discount: Annotated[float, Bounds(at_least=0, at_most=1)] = 0.99
    """The agent's discount γ; the environment's own discount is multiplied into it."""
    batch_size: Annotated[int, Bounds(at_least=1)] = 256
    """Transitions in one gradient step."""
    max_gradient_norm: Annotated[float, Bounds(at_least=0)] = 0.0
    """Gradients of each loss are scaled down to this global norm; 0 leaves them as they are."""

    samples_per_insert: Annotated[float, Bounds(at_least=0)] = 128.0
    """How often each transition is sampled, on average, before it is evicted: with a batch of 256,
    256 is one gradient step per environment step, and 128 one per two. 0 holds no ratio: actors and
    learner both go as fast as they can."""
    segment_length: Annotated[int, Bounds(at_least=1)] = 16
    """Consecutive transitions of one environment that make one replay item."""
    min_replay_size: Annotated[int, Bounds(at_least=1)] = 2_000
    """Transitions that replay holds before the first gradient step."""
    max_replay_size: Annotated[int, Bounds(at_least=1)] = 1_000_000
    """Transitions that replay holds at most; at least `min_replay_size` and `segment_length`."""

    def __post_init__(self) -> None:
        """Checks every field against its bounds; raises `ConfigError`.

        A subclass whose fields depend on one another checks that in its own `__post_init__`, by
        `require`, after this one.
        """
        for name, kind in field_types(type(self)).items():
            value = getattr(self, name)
            require(kind.holds(value), name, value, kind.wanted)
        require(
            self.max_replay_size >= max(self.min_replay_size, self.segment_length),
            "max_replay_size",
            self.max_replay_size,
            "at least min_replay_size and segment_length",
        )


def require(holds: bool, field: str, value: Any, wanted: str) -> None:
    """Raises `ConfigError` naming the field, its value and what was wanted, unless it holds."""
    if not holds:
        raise ConfigError(f"{field} = {value!r} cannot work: it must be {wanted}.")


class FieldType(NamedTuple):
    """What a field may hold.

    Attributes:
        hint: its type, without `Annotated`.
        bounds: of the number, or of each where there are several; None where there are none.
    """

    hint: Any
    bounds: Bounds | None

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a `Literal`; nothing where it is another type."""
        return typing.get_args(self.hint) if typing.get_origin(self.hint) is typing.Literal else ()

    def holds(self, value: Any) -> bool:
        """Whether a value is one of the choices, and within the bounds, where there are any."""
        if self.choices:
            return value in self.choices
        if self.bounds is None or value is None:
            return True
        try:
            return all(map(self.bounds.holds, value if self._is_several else (value,)))
        except TypeError:  # No number, or nothing that has parts.
            return False

    @property
    def wanted(self) -> str:
        """What a value must be for `holds`, in few words; empty where anything will do."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.bounds is None:
            return ""
        return f"numbers, each {self.bounds}" if self._is_several else str(self.bounds)

    @property
    def _is_several(self) -> bool:
        return typing.get_origin(self.hint) is tuple


# Read once for each class, as every configuration that is made is checked by them.
_known: weakref.WeakKeyDictionary[type[AgentConfig], Mapping[str, FieldType]]
_known = weakref.WeakKeyDictionary()


def field_types(config_class: type[AgentConfig]) -> Mapping[str, FieldType]:
    """What each field may hold, by its name, in order.

    Raises:
        ConfigError: an annotation names something that its module does not have.
    """
    if config_class not in _known:
        _known[config_class] = _read_types(config_class)
    return _known[config_class]


def _read_types(config_class: type[AgentConfig]) -> dict[str, FieldType]:
    try:
        plain = typing.get_type_hints(config_class)
        annotated = typing.get_type_hints(config_class, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"The types of {config_class.__qualname__}'s fields cannot be read: {error}; a type "
            "must be there when the program runs, and not for type checkers alone."
        ) from error
    bases = [base for base in config_class.__bases__ if issubclass(base, AgentConfig)]
    found: dict[str, FieldType] = {}
    for field in dataclasses.fields(config_class):
        inherited = (field_types(base).get(field.name) for base in bases)
        candidates = [_bounds(annotated[field.name]), *(of.bounds for of in inherited if of)]
        bounds = next((each for each in candidates if each is not None), None)
        found[field.name] = FieldType(plain[field.name], bounds)
    return found


def _bounds(hint: Any) -> Bounds | None:
    """The `Bounds` somewhere in a type, as in tuple[Annotated[int, Bounds()], ...]."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Bounds):
            return extra
    found = map(_bounds, typing.get_args(hint))
    return next((each for each in found if each is not None), None)
