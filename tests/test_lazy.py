import subprocess
import sys

import pytest

from quinoa.agents import iq, policies
from quinoa.agents.iq import agent


def test_what_is_asked_for_is_imported():
    assert iq.Agent is agent.Agent
    assert vars(iq)["Agent"] is agent.Agent, "the next time, it is there"


def test_all_that_a_package_declares_is_there():
    for name in policies.__all__:
        assert getattr(policies, name).__name__ == name


def test_what_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'quinoa.agents.iq' has no attribute 'Agnt'"):
        iq.Agnt  # noqa: B018
    assert not hasattr(iq, "Agnt")


def test_nothing_is_imported_before():
    program = (
        "import sys, quinoa.agents.iq as iq; assert 'quinoa.agents.iq.agent' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
