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
import sys
import types
import typing
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class ConfigError(ValueError):
    """A field of a configuration holds something that cannot work; the message says what would."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Bounds of a number: `Annotated[float, Bounds(above=0, at_most=1)]` is one in (0, 1].

    None leaves a side open. The number is finite, unless `may_be_infinite`.

    Attributes:
        above: the number is greater.
        at_least: the number is as great, or greater.
        below: the number is less.
        at_most: the number is as great, or less.
        may_be_infinite: whether an infinity is a number like others, as of a time limit that is
            never reached.
    """

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    may_be_infinite: bool = False

    def holds(self, number: float) -> bool:
        """Whether a number is within the bounds."""
        return (
            (-math.inf < number < math.inf or (self.may_be_infinite and abs(number) == math.inf))
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
            return f"in {left}{_short(low)}, {_short(high)}{right}"
        if low is not None:
            return f"at least {_short(low)}" if self.above is None else f"> {_short(low)}"
        if high is not None:
            return f"at most {_short(high)}" if self.below is None else f"below {_short(high)}"
        return "finite"


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.4g}"


def shown(value: Any) -> str:
    """A value as it is typed behind `--set NAME=`."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def is_choice(value: Any, choices: Sequence[Any]) -> bool:
    """Whether a value is one of a `Literal`'s. 1 is not True here."""
    return any(type(choice) is type(value) and choice == value for choice in choices)


def require(holds: bool, field: str, value: Any, wanted: str) -> None:
    """Raises `ConfigError` naming the field, its value and what was wanted, unless it holds."""
    if not holds:
        raise refusal(field, value, wanted)


def refusal(field: str, value: Any, wanted: str) -> ConfigError:
    """The error of a field that holds something that cannot work."""
    return ConfigError(f"{field} = {value!r} cannot work: it must be {wanted}.")


def check(config: DataclassInstance) -> None:
    """Checks every field of a configuration against its bounds; raises `ConfigError`."""
    for name, field in fields_of(type(config)).items():
        value = getattr(config, name)
        require(field.holds(value), name, value, field.wanted)


@dataclasses.dataclass(frozen=True)
class Flag:
    """How a field is given on a command line, in its `Annotated` type, where that is not plain.

    A field without one has a flag of its own name and default.

    Attributes:
        name: of the flag; None is the field's name.
        default: of the flag; `...` is the field's. Where it is None and the field holds no None,
            the program chooses a value when none is given.
        bounds: of what is given, where they are narrower than the field's own.
    """

    name: str | None = None
    default: Any = ...
    bounds: Bounds | None = None


@dataclasses.dataclass(frozen=True)
class Absent:
    """What a field is where JSON was written before there was the field.

    `layer_norm: Annotated[bool, Absent(False)]` is False there. Without this, runs of before could
    no longer be read. The value is what the code did without the field, whatever the default is.

    Attributes:
        value: of the field.
    """

    value: Any


# Of a field that is not given on a command line.
NO_FLAG = Flag("")

# The metadata of a field that nobody sets by a text or a number, and that is none of those which
# `fields_of` gives. Its type may be there for type checkers alone.
OPAQUE: Mapping[str, Any] = types.MappingProxyType({"is_opaque": True})


def optional_of(hint: Any) -> Any:
    """T of Optional[T]; None of another type."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        if len(members) == 1 and len(typing.get_args(hint)) == 2:
            return members[0]
    return None


def items_of(hint: Any) -> Any:
    """T of tuple[T, ...]; None of another type."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    return None


class Field(NamedTuple):
    """One field of a configuration.

    Attributes:
        name: of the field.
        hint: its type, without `Annotated`.
        bounds: of the number, or of each where there are several; None where there are none.
        default: of the class; `dataclasses.MISSING` where it has none.
        flag: how it is given on a command line.
        absent: what it is where JSON does not have it; None where JSON must have it.
    """

    name: str
    hint: Any
    bounds: Bounds | None = None
    default: Any = dataclasses.MISSING
    flag: Flag = Flag()
    absent: Absent | None = None

    @property
    def flag_name(self) -> str:
        """The name of its flag; empty where it has none."""
        return self.name if self.flag.name is None else self.flag.name

    @property
    def flag_default(self) -> Any:
        """What its flag is when it is not given."""
        return self.default if self.flag.default is ... else self.flag.default

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a `Literal`; nothing where it is another type."""
        return typing.get_args(self.hint) if typing.get_origin(self.hint) is typing.Literal else ()

    @property
    def choice_names(self) -> tuple[str, ...]:
        """`choices` as they are typed."""
        return tuple(map(shown, self.choices))

    def holds(self, value: Any) -> bool:
        """Whether a value is one of the choices, and within the bounds, where there are any."""
        if self.choices:
            return is_choice(value, self.choices)
        if self.bounds is None or value is None:
            return True
        try:
            return all(map(self.bounds.holds, value if items_of(self.hint) else (value,)))
        except TypeError:  # No number, or nothing that has parts.
            return False

    @property
    def wanted(self) -> str:
        """What a value must be for `holds`, in few words; empty where anything will do."""
        if self.choices:
            return f"one of {', '.join(self.choice_names)}"
        if self.bounds is None:
            return ""
        return f"numbers, each {self.bounds}" if items_of(self.hint) else str(self.bounds)


# Read once for each class, as every configuration that is made is checked by them.
_known: weakref.WeakKeyDictionary[type[DataclassInstance], Mapping[str, Field]]
_known = weakref.WeakKeyDictionary()


def fields_of(config_class: type[DataclassInstance]) -> Mapping[str, Field]:
    """The fields of a configuration by name, in order, without those that are `OPAQUE`.

    Raises:
        ConfigError: an annotation names something that its module does not have.
    """
    if config_class not in _known:
        _known[config_class] = _read(config_class)
    return _known[config_class]


def _read(config_class: type[DataclassInstance]) -> dict[str, Field]:
    fields = [of for of in dataclasses.fields(config_class) if not of.metadata.get("is_opaque")]
    own = vars(config_class).get("__annotations__", {})
    annotations = {of.name: own[of.name] for of in fields if of.name in own}
    plain = _evaluated(config_class, annotations, include_extras=False)
    annotated = _evaluated(config_class, annotations, include_extras=True)
    bases = [base for base in config_class.__bases__ if dataclasses.is_dataclass(base)]
    found: dict[str, Field] = {}
    for of in fields:
        inherited = [known for base in bases if (known := fields_of(base).get(of.name))]
        default = of.default if of.default_factory is dataclasses.MISSING else of.default_factory()
        if of.name not in annotated:
            found[of.name] = inherited[0]._replace(default=default)
            continue
        hint = annotated[of.name]
        found[of.name] = Field(
            name=of.name,
            hint=plain[of.name],
            bounds=_first(_extra(hint, Bounds), *(known.bounds for known in inherited)),
            default=default,
            flag=_first(_extra(hint, Flag), *(known.flag for known in inherited)) or Flag(),
            absent=_first(_extra(hint, Absent), *(known.absent for known in inherited)),
        )
    return found


def _evaluated(
    config_class: type[DataclassInstance], annotations: Mapping[str, Any], *, include_extras: bool
) -> Mapping[str, Any]:
    """The types of a class's own annotations, where those are texts."""
    module = vars(sys.modules.get(config_class.__module__, types.SimpleNamespace()))
    annotated: Any = types.SimpleNamespace(__annotations__=annotations)
    try:
        return typing.get_type_hints(annotated, module, include_extras=include_extras)
    except NameError as error:
        raise ConfigError(
            f"The types of {config_class.__qualname__}'s fields cannot be read: {error}; a type "
            "must be there when the program runs, and not for type checkers alone."
        ) from error


ExtraT = TypeVar("ExtraT")


def _extra(hint: Any, kind: type[ExtraT]) -> ExtraT | None:
    """What a type or a part of it is annotated with: tuple[Annotated[int, Bounds()], ...]."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, kind):
            return extra
    return _first(*(_extra(part, kind) for part in typing.get_args(hint)))


def _first(*found: ExtraT | None) -> ExtraT | None:
    return next((each for each in found if each is not None), None)
