import sys
import types

import pytest

from quinoa.agents import (
    a2c,
    crossq,
    ddpg,
    dqn,
    iq,
    maxent_irl,
    meow,
    naf,
    protocol,
    quinoa,
    registry,
    sac,
    smoothie,
    sql,
    svg0,
)
from quinoa.agents.registry import UnknownAgentError

BUILT_IN = (a2c, crossq, ddpg, dqn, iq, meow, naf, quinoa, sac, smoothie, sql, svg0)

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
    assert {"quinoa", "meow", "sac", "crossq", "svg0", "dqn", "soft_dqn_kl", "a2c"} <= set(names)
    acting = registry.acting_names()
    assert set(names) - set(acting) == {"maxent_irl"}
    for name in acting:
        agent = registry.load(name)
        (package,) = [module for module in BUILT_IN if name in module.PRESETS]
        assert agent == (name, package.Agent, package.Config, package.PRESETS[name])
    assert registry.DEFAULT_AGENT in names


def test_an_agent_that_learns_from_demonstrations_alone_is_loaded_as_such():
    assert registry.load_demonstration_agent("maxent_irl") is maxent_irl.Agent
    with pytest.raises(
        registry.InvalidAgentError, match="from demonstrations alone, and acts in no"
    ):
        registry.load("maxent_irl")
    with pytest.raises(
        registry.InvalidAgentError, match=r"another kind of Agent; .*DemonstrationA"
    ):
        registry.load_demonstration_agent("iq")


def test_the_list_says_in_one_line_what_each_preset_is_and_what_it_changes():
    about = dict(registry.names())
    assert about["m_iq"] == "M-IQ: IQ with the Munchausen term (alpha=0.9)"
    assert "(" not in about["iq"]
    assert all("\n" not in line and line for line in about.values())
    without_settings = [line.partition(" (")[0] for line in about.values()]
    assert len(set(without_settings)) == len(without_settings)


def test_nothing_is_said_of_presets_that_do_not_exist():
    for package in BUILT_IN:
        assert set(getattr(package, "ABOUT", {})) <= set(package.PRESETS)


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


def test_a_module_without_a_spec_is_no_agent_and_one_clear_error(monkeypatch):
    """What `__main__` is in a process that a program was handed to."""
    bare = types.ModuleType("bare")
    assert bare.__spec__ is None
    monkeypatch.setitem(sys.modules, "bare", bare)
    with pytest.raises(registry.UnknownAgentError, match="bare has no Agent"):
        registry.load("bare")
