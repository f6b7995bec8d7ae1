from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from quinoa.agents import registry
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
            fields = {field.name for field in dataclasses.fields(registry.load(agent).config)}
            layers = {"hidden_sizes", "critic_hidden_sizes", "stddev_hidden_sizes"} & fields
            settings: dict[str, Any] = dict.fromkeys(layers, runs.SMALL_LAYERS)
            if agent in ("iq_flow", "meow"):
                settings.update(runs.SMALL_FLOW)
            made[agent, environment] = runs.make_run(
                root, environment, agent, moved=runs.FAR, **settings
            )
        return made[agent, environment]

    return make
