import dataclasses
import json
import typing
from typing import Annotated

import pytest

from quinoa.agents import crossq, dqn, iq, meow, quinoa, sac, svg0
from quinoa.agents.config import OffPolicyConfig
from quinoa.config import parsing
from quinoa.config.fields import Absent, ConfigError

BUILT_IN = (crossq, dqn, iq, meow, quinoa, sac, svg0)


@dataclasses.dataclass(frozen=True)
class Everything(OffPolicyConfig):
    an_int: int = 1
    a_float: float = 1.0
    a_bool: bool = False
    a_str: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    rates: tuple[float, ...] = ()
    maybe: typing.Optional[float] = None  # noqa: UP045 - both spellings are read
    maybe_int: int | None = 3
    choice: typing.Literal["one", "two"] = "one"
    some_or_all: typing.Literal[False, True, "first"] = False

    def __post_init__(self):
        super().__post_init__()
        if self.an_int > 10**7:
            raise ValueError("an_int is too large")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("an_int", "7", 7),
        ("an_int", " -7 ", -7),
        ("an_int", "1e6", 1_000_000),
        ("an_int", "1_000", 1000),
        ("a_float", "3", 3.0),
        ("a_float", "1e-4", 1e-4),
        ("a_bool", "true", True),
        ("a_bool", "False", False),
        ("a_bool", "1", True),
        ("a_str", "some text", "some text"),
        ("sizes", "64,64", (64, 64)),
        ("sizes", "(64, 64)", (64, 64)),
        ("sizes", "64", (64,)),
        ("sizes", "64,", (64,)),
        ("sizes", "()", ()),
        ("sizes", "", ()),
        ("rates", "[0.5,1]", (0.5, 1.0)),
        ("maybe", "none", None),
        ("maybe", "0.5", 0.5),
        ("maybe_int", "None", None),
        ("choice", "two", "two"),
        ("some_or_all", "first", "first"),
        ("some_or_all", "True", True),
        ("some_or_all", "yes", True),
        ("discount", "0.5", 0.5),
    ],
)
def test_texts_are_read_by_the_fields_types(field, text, value):
    start = Everything(maybe=0.1, a_bool=text == "False")
    changed = parsing.override(start, {field: text})
    assert getattr(changed, field) == value
    assert type(getattr(changed, field)) is type(value)
    assert changed == dataclasses.replace(start, **{field: value})


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("an_int", "1.5", "an_int = '1.5' cannot work: it must be a whole number"),
        ("an_int", "many", "must be a whole number"),
        ("an_int", "inf", "must be a whole number"),
        ("an_int", "99999999", "an_int is too large"),
        ("a_float", "nan", "must be a finite number"),
        ("a_float", "", "must be a finite number"),
        ("a_bool", "maybe", "must be true or false"),
        ("sizes", "64,x", "several of these, separated by commas: a whole number"),
        ("sizes", "64,,64", "separated by commas"),
        ("maybe", "nothing", "a finite number, or none"),
        ("choice", "three", "one of one, two"),
        ("some_or_all", "last", "one of false, true, first"),
        ("discount", "2", "discount = 2.0 cannot work"),
        ("gamma", "0.9", "no field 'gamma'. What other libraries call gamma is discount"),
        ("total_timesteps", "9", "What other libraries call total_timesteps is the flag --steps"),
        ("batch_sise", "2", "no field 'batch_sise'. Did you mean batch_size"),
        ("zzzz", "2", "It has discount, "),
    ],
)
def test_each_bad_assignment_gets_one_clear_line(field, text, message):
    with pytest.raises(ConfigError) as raised:
        parsing.override(Everything(), {field: text})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_several_assignments_are_checked_together():
    config = OffPolicyConfig(min_replay_size=10, max_replay_size=20)
    changed = parsing.override(config, {"min_replay_size": "100", "max_replay_size": "200"})
    assert (changed.min_replay_size, changed.max_replay_size) == (100, 200)
    assert parsing.override(config, {}) == config


def test_a_field_of_another_kind_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Odd(OffPolicyConfig):
        layers: dict = dataclasses.field(default_factory=dict)

    with pytest.raises(ConfigError, match="may be an int, float"):
        parsing.override(Odd(), {"layers": "{}"})


@pytest.mark.parametrize(
    "config",
    [
        *(config for module in BUILT_IN for config in module.PRESETS.values()),
        Everything(),
        Everything(maybe=0.25, maybe_int=None, rates=(1.5,), sizes=(), choice="two"),
    ],
)
def test_json_round_trip(config):
    text = json.dumps(parsing.to_json(config))
    assert parsing.from_json(type(config), json.loads(text)) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"an_int": 1.5}, "an_int = 1.5 cannot work: it must be a whole number"),
        ({"an_int": True}, "must be a whole number"),
        ({"a_float": "1"}, "must be a finite number"),
        ({"a_float": True}, "must be a finite number"),
        ({"a_bool": 1}, "must be true or false"),
        ({"a_str": None}, "must be a text"),
        ({"sizes": 3}, "separated by commas"),
        ({"choice": "three"}, "one of one, two"),
        ({"some_or_all": 1}, "one of false, true, first"),
        ({"discount": 7}, "discount = 7.0 cannot work"),
        ({"extra": 1}, "no field 'extra'"),
    ],
)
def test_json_that_does_not_fit_is_refused(change, message):
    fields = parsing.to_json(Everything())
    with pytest.raises(ConfigError) as raised:
        parsing.from_json(Everything, {**fields, **change})
    assert message in str(raised.value)


def test_json_that_lacks_a_field_is_refused():
    fields = parsing.to_json(Everything())
    del fields["sizes"], fields["a_str"]
    with pytest.raises(ConfigError, match="lacks a_str, sizes"):
        parsing.from_json(Everything, fields)


@dataclasses.dataclass(frozen=True)
class WithALaterField(Everything):
    later: Annotated[bool, Absent(False)] = True


def test_a_field_that_json_of_before_has_not_is_what_it_was_then():
    fields = parsing.to_json(Everything())
    assert parsing.from_json(WithALaterField, fields).later is False
    assert parsing.from_json(WithALaterField, {**fields, "later": True}).later is True
    later = {**parsing.absent_values(Everything), "later": False}
    assert parsing.absent_values(WithALaterField) == later
    # Declared once, as bounds are.
    derived = dataclasses.make_dataclass(
        "Derived", [("later", bool, False)], bases=(WithALaterField,), frozen=True
    )
    assert parsing.absent_values(derived) == later
