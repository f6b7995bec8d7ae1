from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Literal

import pytest

from quinoa.agents.config import LayerSizes, OffPolicyConfig
from quinoa.config.fields import Bounds, ConfigError, fields_of, shown


@dataclasses.dataclass(frozen=True)
class Config(OffPolicyConfig):
    rate: Annotated[float, Bounds(above=0, at_most=1)] = 0.5
    kind: Literal["small", "large"] = "small"
    sizes: LayerSizes = (8, 8)
    period: Annotated[int, Bounds(at_least=1)] | None = None
    batch_size: int = 32


@pytest.mark.parametrize(
    ("bounds", "text", "within", "without"),
    [
        (Bounds(above=0), "> 0", [1e-9, 5], [0, -1]),
        (Bounds(at_least=1), "at least 1", [1, 7], [0, 0.5]),
        (Bounds(above=0, at_most=1), "in (0, 1]", [0.1, 1], [0, 1.1]),
        (Bounds(at_least=0, below=1), "in [0, 1)", [0, 0.9], [1, -0.1]),
        (Bounds(below=math.log(2)), "below 0.6931", [0.69, -3], [0.7]),
        (Bounds(at_most=3), "at most 3", [3, -3], [4]),
        (Bounds(), "finite", [0], []),
    ],
)
def test_bounds_hold_within_them_alone_and_say_what_they_are(bounds, text, within, without):
    assert str(bounds) == text
    assert all(map(bounds.holds, within))
    for number in (*without, math.nan, math.inf, -math.inf):
        assert not bounds.holds(number), number


def test_bounds_may_have_an_infinity_within_them_but_never_what_is_no_number():
    bounds = Bounds(at_least=1, may_be_infinite=True)
    assert str(bounds) == "at least 1"
    assert all(map(bounds.holds, (1, 10**400, math.inf)))
    for number in (0.5, math.nan, -math.inf):
        assert not bounds.holds(number), number


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("rate", 0.0, "in (0, 1]"),
        ("rate", math.nan, "in (0, 1]"),
        ("rate", "much", "in (0, 1]"),
        ("kind", "medium", "one of small, large"),
        ("sizes", (8, 0), "numbers, each at least 1"),
        ("sizes", 8, "numbers, each at least 1"),
        ("period", 0, "at least 1"),
        ("discount", 1.5, "in [0, 1]"),
        # Its bounds are the base's, whose default alone it changes.
        ("batch_size", 0, "at least 1"),
    ],
)
def test_a_field_is_held_to_what_its_type_says(field, value, wanted):
    with pytest.raises(ConfigError) as error:
        Config(**{field: value})
    assert str(error.value) == f"{field} = {value!r} cannot work: it must be {wanted}."


def test_what_is_within_the_bounds_is_taken():
    config = Config(rate=1.0, kind="large", sizes=(), period=None, batch_size=1)
    assert (config.rate, config.kind, config.sizes, config.period) == (1.0, "large", (), None)


def test_types_are_told_without_their_bounds():
    hints = {name: kind.hint for name, kind in fields_of(Config).items()}
    assert hints["sizes"] == tuple[int, ...]
    assert hints["period"] == int | None
    assert list(hints)[:2] == ["discount", "batch_size"]


def test_a_type_that_is_not_there_is_said():
    @dataclasses.dataclass(frozen=True)
    class Odd(OffPolicyConfig):
        layers: Missing = 1  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match=r"Odd's fields cannot be read: .*'Missing'"):
        Odd()


@pytest.mark.parametrize(
    ("value", "text"), [((8, 8), "8,8"), (True, "true"), (None, "none"), (0.1, "0.1"), ("a", "a")]
)
def test_values_are_shown_as_they_are_typed(value, text):
    assert shown(value) == text
