import pytest

from quinoa.launch.engines.base import ProcessContext
from quinoa.launch.engines.local.engine import LocalEngine
from quinoa.launch.engines.settings import LocalSettings
from quinoa.launch.errors import ExperimentError
from quinoa.launch.machine import private_network
from tests.launch.helpers import experiment


@pytest.fixture
def no_networks(monkeypatch):
    def refuse():
        raise private_network.UnavailableError("Operation not permitted")

    monkeypatch.setattr(private_network, "create", refuse)


def test_a_private_network_that_is_required_and_not_to_be_had_is_one_clear_error(no_networks):
    engine = LocalEngine(ProcessContext({}), LocalSettings(require_private=True))
    with pytest.raises(ExperimentError, match=r"Operation not permitted.*--require_private"):
        engine.check(experiment())


def test_where_it_is_not_required_it_is_said_once_and_the_run_goes_on(no_networks, capsys):
    engine = LocalEngine(ProcessContext({}), LocalSettings())
    engine.check(experiment())
    assert capsys.readouterr().err == ""
    with engine._network() as network:
        assert not network
    (line,) = capsys.readouterr().err.splitlines()
    assert "no private network can be made here (Operation not permitted)" in line
