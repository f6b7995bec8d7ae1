from __future__ import annotations

import pytest

from tests.launch import runs


@pytest.fixture(autouse=True)
def all_in_this_process(same_environment_variables):
    """Every command here is run in the tests' own process."""


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """Makes, once, a run of an agent on an environment whose policy is far from its beginning."""
    made = {}

    def make(agent: str, environment: str):
        if (agent, environment) not in made:
            root = tmp_path_factory.mktemp("runs") / "run"
            settings = runs.SMALL_FLOW if agent in ("iq_flow", "meow") else {}
            made[agent, environment] = runs.make_run(
                root, environment, agent, moved=True, **settings
            )
        return made[agent, environment]

    return make
