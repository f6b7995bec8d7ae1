import dataclasses
import json
import sys
import types
import typing

import pytest

from quinoa.agents import iq, protocol, quinoa, registry, sac, svg0
from quinoa.agents.protocol import AgentConfig, ConfigError
from quinoa.agents.registry import UnknownAgentError

BUILT_IN = (iq, quinoa, sac, svg0)

AGENT = """
import dataclasses
from quinoa.agents import iq, protocol

@dataclasses.dataclass(frozen=True)
class Config(iq.Config):
    temperature: float = 2.0

class Agent(iq.Agent):
    Config = Config

PRESETS = {"hot": Config(temperature=9.0)}
"""


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)

    return write


def test_every_built_in_name_loads():
    names = [name for name, _ in registry.names()]
    assert names[:6] == ["iq", "m_iq", "pcl", "trust_pcl", "iq_gaussian", "iq_flow"]
    assert {"quinoa", "sac", "svg0"} <= set(names)
    for name in names:
        agent = registry.load(name)
        (package,) = [module for module in BUILT_IN if name in module.PRESETS]
        assert agent == (name, package.Agent, package.Config, package.PRESETS[name])
    assert registry.DEFAULT_AGENT in names


def test_the_list_says_in_one_line_what_is_special():
    about = dict(registry.names())
    assert "alpha=0.9" in about["m_iq"]
    assert "=" not in about["iq"]
    assert all("\n" not in line and line for line in about.values())


def test_agents_of_ones_own_come_by_import_path(write_module):
    write_module("warm_agent", AGENT)
    agent = registry.load("warm_agent")
    assert agent.config == agent.config_class()
    assert vars(agent.config)["temperature"] == 2.0
    assert issubclass(agent.agent_class, protocol.Agent)
    assert vars(registry.load("warm_agent:hot").config)["temperature"] == 9.0
    assert registry.load("quinoa.agents.iq").config == iq.Config()
    assert registry.load("quinoa.agents.iq:m_iq").config == iq.PRESETS["m_iq"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m_iqq", "Did you mean m_iq"),
        ("quino", "Did you mean quinoa"),
        ("zzz", "The agents are iq, m_iq"),
        ("", "There is no agent ''"),
        ("not a name", "There is no agent"),
        ("quinoa.agents..iq", "There is no agent"),
        ("quinoa.agents.iqq", "no module 'quinoa.agents.iqq'"),
        ("no_such_package.agent", "no module 'no_such_package'"),
        ("quinoa.agents.iq:m_iqq", "quinoa.agents.iq has iq.*Did you mean m_iq"),
        ("json", "json has no Agent"),
        ("json:preset", "json has no PRESETS"),
    ],
)
def test_each_name_that_cannot_be_gets_one_clear_line(name, message):
    with pytest.raises(UnknownAgentError, match=message) as raised:
        registry.load(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_thing", "cannot be imported: No module named 'no_such_thing'"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        ("def f(:", "cannot be imported: SyntaxError"),
        (AGENT.replace("class Agent", "class Other"), "has no Agent"),
        (AGENT.replace("class Agent(iq.Agent)", "class Agent"), "another kind of Agent"),
        (AGENT + "Config = dict\n", "another kind of Config"),
        (AGENT.replace("= 2.0", ""), "cannot be imported: TypeError"),
        (AGENT + "PRESETS = {'hot': iq.Config()}\n", None),
    ],
)
def test_each_fault_of_a_module_gets_one_clear_line(write_module, text, message, request):
    # A name of its own: a module is imported once.
    name = f"faulty_agent_{abs(hash(request.node.name))}"
    write_module(name, text)
    if message is None:
        name, message = f"{name}:hot", "its preset is a Config"
    with pytest.raises(UnknownAgentError, match=message) as raised:
        registry.load(name)
    assert "\n" not in str(raised.value)


def test_a_config_without_all_defaults_is_refused(write_module):
    write_module(
        "needy_agent",
        AGENT.replace("(frozen=True)", "(frozen=True, kw_only=True)")
        .replace(": float = 2.0", ": float")
        .replace('"hot"', '"warm"'),
    )
    with pytest.raises(UnknownAgentError, match="cannot be made from its defaults"):
        registry.load("needy_agent")
    assert vars(registry.load("needy_agent:warm").config)["temperature"] == 9.0


@dataclasses.dataclass(frozen=True)
class Everything(AgentConfig):
    an_int: int = 1
    a_float: float = 1.0
    a_bool: bool = False
    a_str: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    rates: tuple[float, ...] = ()
    maybe: typing.Optional[float] = None  # noqa: UP045 - both spellings are read
    maybe_int: int | None = 3
    choice: typing.Literal["one", "two"] = "one"

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
        ("discount", "0.5", 0.5),
    ],
)
def test_texts_are_read_by_the_fields_types(field, text, value):
    start = Everything(maybe=0.1, a_bool=text == "False")
    changed = registry.override(start, {field: text})
    assert getattr(changed, field) == value
    assert type(getattr(changed, field)) is type(value)
    assert changed == dataclasses.replace(start, **{field: value})


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("an_int", "1.5", "an_int = '1.5' cannot work: it must be an integer"),
        ("an_int", "many", "must be an integer"),
        ("an_int", "inf", "must be an integer"),
        ("an_int", "99999999", "an_int is too large"),
        ("a_float", "nan", "must be a finite number"),
        ("a_float", "", "must be a finite number"),
        ("a_bool", "maybe", "must be true or false"),
        ("sizes", "64,x", "several of these, separated by commas: an integer"),
        ("sizes", "64,,64", "separated by commas"),
        ("maybe", "nothing", "a finite number, or none"),
        ("choice", "three", "one of one, two"),
        ("discount", "2", "discount = 2.0 cannot work"),
        ("batch_sise", "2", "no field 'batch_sise'. Did you mean batch_size"),
        ("zzzz", "2", "It has discount, "),
    ],
)
def test_each_bad_assignment_gets_one_clear_line(field, text, message):
    with pytest.raises(ConfigError) as raised:
        registry.override(Everything(), {field: text})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_several_assignments_are_checked_together():
    config = AgentConfig(min_replay_size=10, max_replay_size=20)
    changed = registry.override(config, {"min_replay_size": "100", "max_replay_size": "200"})
    assert (changed.min_replay_size, changed.max_replay_size) == (100, 200)
    assert registry.override(config, {}) == config


def test_a_field_of_another_kind_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Odd(AgentConfig):
        layers: dict = dataclasses.field(default_factory=dict)

    with pytest.raises(ConfigError, match="may be an int, float"):
        registry.override(Odd(), {"layers": "{}"})


@pytest.mark.parametrize(
    "config",
    [
        *(config for module in BUILT_IN for config in module.PRESETS.values()),
        Everything(),
        Everything(maybe=0.25, maybe_int=None, rates=(1.5,), sizes=(), choice="two"),
    ],
)
def test_json_round_trip(config):
    text = json.dumps(registry.to_json(config))
    assert registry.from_json(type(config), json.loads(text)) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"an_int": 1.5}, "an_int = 1.5 cannot work: it must be an integer"),
        ({"an_int": True}, "must be an integer"),
        ({"a_float": "1"}, "must be a finite number"),
        ({"a_float": True}, "must be a finite number"),
        ({"a_bool": 1}, "must be true or false"),
        ({"a_str": None}, "must be a text"),
        ({"sizes": 3}, "separated by commas"),
        ({"choice": "three"}, "one of one, two"),
        ({"discount": 7}, "discount = 7.0 cannot work"),
        ({"extra": 1}, "no field 'extra'"),
    ],
)
def test_json_that_does_not_fit_is_refused(change, message):
    fields = registry.to_json(Everything())
    with pytest.raises(ConfigError) as raised:
        registry.from_json(Everything, {**fields, **change})
    assert message in str(raised.value)


def test_json_that_lacks_a_field_is_refused():
    fields = registry.to_json(Everything())
    del fields["sizes"], fields["a_str"]
    with pytest.raises(ConfigError, match="lacks a_str, sizes"):
        registry.from_json(Everything, fields)


def test_a_module_without_a_spec_is_no_agent_and_one_clear_error(monkeypatch):
    """What `__main__` is in a process that a program was handed to."""
    bare = types.ModuleType("bare")
    assert bare.__spec__ is None
    monkeypatch.setitem(sys.modules, "bare", bare)
    with pytest.raises(registry.UnknownAgentError, match="bare has no Agent"):
        registry.load("bare")
