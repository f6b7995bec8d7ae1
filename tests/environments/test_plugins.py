import sys

import pytest

from quinoa import environments
from quinoa.agents import registry
from quinoa.environments import InvalidEnvironmentError, UnknownEnvironmentError, plugins
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import stored_names
from tests.environments import packages

SEEDED = "tests.environments.factories:seeded"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Has packages of these names and entry points be installed."""

    def install(package, text):
        site = tmp_path / f"site-{package}"
        packages.install(site, package, text)
        monkeypatch.setattr(sys, "path", [*sys.path, str(site)])

    return install


def test_a_name_that_a_package_declares_is_found_and_kept_by_its_import_path(install):
    install(
        "cereals",
        f"[quinoa.environments]\noats = {SEEDED}\n[quinoa.agents]\nrye = quinoa.agents.iq",
    )
    assert environments.import_path("oats") == SEEDED
    assert stored_names.environment_path("oats") == SEEDED
    environment = environments.make("oats", 3)
    assert environment.name == "oats"
    expected = environments.make(SEEDED, 3).reset().observation
    assert (environment.reset().observation == expected).all()
    assert registry.import_path("rye") == stored_names.agent_path("rye") == "quinoa.agents.iq"
    assert registry.load("rye") == registry.load("quinoa.agents.iq")._replace(name="rye")
    assert plugins.installed(plugins.AGENTS) == (("rye", "quinoa.agents.iq", "cereals"),)


def test_an_agents_entry_point_may_name_a_preset(install):
    install("cereals", "[quinoa.agents]\nrye = quinoa.agents.iq:m_iq")
    assert registry.load("rye").config == registry.load("m_iq").config


def test_names_that_are_not_declared_stay_as_they_are():
    assert environments.import_path("control:cartpole:balance") == "control:cartpole:balance"
    assert environments.import_path(SEEDED) == SEEDED
    assert registry.import_path("m_iq") == "m_iq"
    assert registry.import_path("quinoa.agents.iq:m_iq") == "quinoa.agents.iq:m_iq"


def test_names_near_to_a_slip_include_those_that_packages_declare(install):
    install(
        "cereals",
        f"[quinoa.environments]\nbarley = {SEEDED}\n[quinoa.agents]\nryes = quinoa.agents.iq",
    )
    with pytest.raises(UnknownEnvironmentError, match="Did you mean barley"):
        environments.make("barleyy", 0)
    with pytest.raises(registry.UnknownAgentError, match="Did you mean ryes"):
        registry.load("ryess")


def test_built_in_names_win(install):
    install(
        "cereals",
        f"[quinoa.agents]\niq = no.such:thing\n[quinoa.environments]\ngym:X = {SEEDED}",
    )
    assert registry.load("iq").config_class is registry.load("m_iq").config_class
    assert registry.import_path("iq") == "iq"
    with pytest.raises(UnknownEnvironmentError):
        environments.make("gym:X", 0)


def test_a_name_that_two_packages_declare_is_an_error_that_names_both(install):
    for package in ("cereals", "grains"):
        install(
            package,
            f"[quinoa.agents]\nrye = quinoa.agents.iq\n[quinoa.environments]\noats = {SEEDED}",
        )
    for find, error in (
        (lambda: registry.load("rye"), registry.UnknownAgentError),
        (lambda: stored_names.agent_path("rye"), ExperimentError),
        (lambda: environments.make("oats", 0), InvalidEnvironmentError),
        (lambda: stored_names.environment_path("oats"), ExperimentError),
    ):
        with pytest.raises(error, match=r"declared by cereals \(.*\) and grains \(") as raised:
            find()
        assert "\n" not in str(raised.value)
    # Nobody else is in its way.
    assert registry.load("m_iq").name == "m_iq"
    assert environments.make(SEEDED, 0).name == SEEDED


def test_a_package_that_is_found_twice_is_one(install):
    install("cereals", "[quinoa.agents]\nrye = quinoa.agents.iq")
    sys.path.append(sys.path[-1] + "/../" + sys.path[-1].rpartition("/")[2])
    assert registry.load("rye").name == "rye"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_package.agent", "no module 'no_such_package'"),
        ("json", "json has no Agent"),
        ("quinoa.agents.iq:nothing", "quinoa.agents.iq has"),
        ("quinoa.agents..iq", "There is no agent 'quinoa.agents..iq'"),
    ],
)
def test_a_broken_agent_is_one_line_when_it_is_asked_for(install, path, message):
    install("cereals", f"[quinoa.agents]\nrye = {path}")
    with pytest.raises(registry.InvalidAgentError, match=message) as raised:
        registry.load("rye")
    assert "'rye', which cereals declares" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "m_iq" in dict(registry.names())


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("no_such_package:make", UnknownEnvironmentError, "no module no_such_package"),
        ("no_such_package", InvalidEnvironmentError, "not package.module:factory"),
    ],
)
def test_a_broken_environment_is_one_line_when_it_is_asked_for(install, path, error, message):
    install("cereals", f"[quinoa.environments]\noats = {path}")
    with pytest.raises(error, match=message) as raised:
        environments.make("oats", 0)
    assert "\n" not in str(raised.value)
    assert environments.make(SEEDED, 0).name == SEEDED


@pytest.mark.parametrize("text", ["[quinoa.agents]\nnonsense", "]][", "\0", "[quinoa.agents]\n=x"])
def test_what_a_package_declares_that_cannot_be_read_is_in_nobodys_way(install, text):
    install("weeds", text)
    install("cereals", "[quinoa.agents]\nrye = quinoa.agents.iq")
    assert registry.load("rye").name == "rye"
