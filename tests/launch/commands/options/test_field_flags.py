from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from absl import flags

from quinoa.config.fields import NO_FLAG, OPAQUE, Bounds, Flag
from quinoa.launch.commands.options import field_flags
from quinoa.launch.commands.options.train_flags import define as train_flags
from quinoa.launch.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class Settings:
    """One field of each kind."""

    count: Annotated[int, Bounds(at_least=1)] = 3
    """How many there are."""
    rate: Annotated[float, Bounds(at_least=0), Flag("speed", bounds=Bounds(at_least=0.5))] = 1.0
    sizes: tuple[Annotated[int, Bounds(at_least=1)], ...] = (8, 8)
    limit: Annotated[int, Bounds(at_least=1)] | None = None
    chosen: Annotated[int, Bounds(at_least=1), Flag(default=None)] = 7
    quick: bool = False
    kind: Literal["small", "large"] = "small"
    name: str = "a"
    title: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    record: Annotated[str, NO_FLAG] = ""
    maker: object = dataclasses.field(default=None, metadata=OPAQUE)


def parsed(*texts: str) -> flags.FlagValues:
    values = flags.FlagValues()
    field_flags.define(values, Settings)
    values(["quinoa", *texts])
    return values


def given(*texts: str, left_out: bool = True) -> dict[str, Any]:
    return field_flags.given(parsed(*texts), Settings, left_out=left_out)


def test_a_flag_has_its_fields_name_default_and_sentence_unless_the_field_says_otherwise():
    values = parsed()
    assert {name: values[name].value for name in values} == {
        "count": 3,
        "speed": 1.0,
        "sizes": (8, 8),
        "limit": None,
        "chosen": None,
        "quick": False,
        "kind": "small",
        "name": "a",
        "title": None,
        "options": [],
    }
    assert values["count"].help == "How many there are."


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("--count=1e3", "count", 1000),
        ("--count=1_000", "count", 1000),
        ("--speed=2", "rate", 2.0),
        ("--sizes=64,32", "sizes", (64, 32)),
        ("--limit=5", "limit", 5),
        ("--chosen=5", "chosen", 5),
        ("--quick", "quick", True),
        ("--noquick", "quick", False),
        ("--kind=large", "kind", "large"),
        ("--name=b", "name", "b"),
        ("--title=b", "title", "b"),
    ],
)
def test_a_flag_is_read_as_its_fields_type(text, field, value):
    assert given(text, left_out=False) == {field: value}
    assert type(given(text)[field]) is type(value)
    # What is handed to another process is typed again.
    again = parsed(text)[text.lstrip("-").removeprefix("no").partition("=")[0]].serialize()
    assert given(again, left_out=False) == {field: value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--count=0", "it must be a whole number, at least 1"),
        ("--count=1.5", "it must be a whole number, at least 1"),
        ("--count=many", "it must be a whole number, at least 1"),
        ("--speed=0.4", "it must be a finite number, at least 0.5"),
        ("--speed=nan", "it must be a finite number, at least 0.5"),
        ("--sizes=8,0", "it must be several of these, separated by commas: a whole number, at lea"),
        ("--limit=0", "it must be a whole number, at least 1"),
        ("--limit=none", "it must be a whole number, at least 1"),
        ("--kind=medium", "small|large"),
        ("--record=x", "Unknown command line flag 'record'"),
        ("--maker=x", "Unknown command line flag 'maker'"),
    ],
)
def test_a_value_that_cannot_work_is_refused_as_its_field_says(text, message):
    with pytest.raises(flags.Error) as error:
        parsed(text)
    assert message in str(error.value)


def test_every_flag_of_an_experiment_has_a_sentence():
    values = train_flags()
    names = [field.flag_name for _, field in field_flags.with_flags(Experiment)]
    assert len(names) > 15
    # absl adds a remark to the help of flags that may be given several times.
    assert all(str(values[name].help).partition(";\n")[0].endswith(".") for name in names)
