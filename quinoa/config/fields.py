"""Configurations: frozen dataclasses whose fields say all that there is to say of them, once.

    tau: Annotated[float, Bounds(above=0)] = 0.01
    \"\"\"τ of Eq. 1: the temperature of the softmax that the policy is.\"\"\"

A field has its type, its bounds, its default, and a sentence below it, which `quinoa list`, the
flags' help and the API reference show. A subclass that gives a field another default keeps its
bounds and its sentence. Nothing here needs TensorFlow, so that a wrong value is known at once.
"""

from __future__ import annotations

import dataclasses
import math
import typing
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


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


def require(holds: bool, field: str, value: Any, wanted: str) -> None:
    """Raises `ConfigError` naming the field, its value and what was wanted, unless it holds."""
    if not holds:
        raise ConfigError(f"{field} = {value!r} cannot work: it must be {wanted}.")


def check(config: DataclassInstance) -> None:
    """Checks every field of a configuration against its bounds; raises `ConfigError`."""
    for name, kind in field_types(type(config)).items():
        value = getattr(config, name)
        require(kind.holds(value), name, value, kind.wanted)


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
_known: weakref.WeakKeyDictionary[type[DataclassInstance], Mapping[str, FieldType]]
_known = weakref.WeakKeyDictionary()


def field_types(config_class: type[DataclassInstance]) -> Mapping[str, FieldType]:
    """What each field may hold, by its name, in order.

    Raises:
        ConfigError: an annotation names something that its module does not have.
    """
    if config_class not in _known:
        _known[config_class] = _read_types(config_class)
    return _known[config_class]


def _read_types(config_class: type[DataclassInstance]) -> dict[str, FieldType]:
    try:
        plain = typing.get_type_hints(config_class)
        annotated = typing.get_type_hints(config_class, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"The types of {config_class.__qualname__}'s fields cannot be read: {error}; a type "
            "must be there when the program runs, and not for type checkers alone."
        ) from error
    bases = [base for base in config_class.__bases__ if dataclasses.is_dataclass(base)]
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
