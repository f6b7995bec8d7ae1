"""The tasks and agents that the benchmarks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from acme import specs

from quinoa import environments
from quinoa.agents import registry
from quinoa.agents.protocol import LearnerConfig, OffPolicyConfig
from quinoa.config import parsing
from quinoa.launch import presets

# The lightest task: what our own work costs shows most there.
TASK = "control:cheetah:run"
AGENTS = ("iq", "quinoa", "sac")


def spec_of(task: str, arguments: Mapping[str, Any] | None = None) -> specs.EnvironmentSpec:
    """The specs of an environment, by its name and the arguments of its constructor."""
    environment = environments.make(task, 0, arguments=arguments)
    try:
        return environments.environment_spec(environment)
    finally:
        environment.close()


def config_of(agent: str, **settings: Any) -> OffPolicyConfig:
    """`learner_config_of` an agent that learns from replay."""
    config = learner_config_of(agent, **settings)
    assert isinstance(config, OffPolicyConfig)
    return config


def learner_config_of(agent: str, **settings: Any) -> LearnerConfig:
    """An agent's configuration with some settings of its own replaced.

    A list stands for a tuple, as in the arguments of a stage, which are JSON.
    """
    config = registry.load(agent).config
    assert isinstance(config, LearnerConfig)
    tuples: dict[str, Any] = {
        name: tuple(s) if isinstance(s, list) else s for name, s in settings.items()
    }
    return dataclasses.replace(config, **tuples)


def of_preset(name: str) -> dict[str, Any]:
    """What a preset has of a stage's arguments, as JSON: `task`, `agent` and their settings.

    These are `settings`, of the agent's configuration, and `env_arguments`, of the environment.
    """
    preset = presets.load(name)
    agent, task = preset.flags["agent"], preset.flags["env"]
    config = registry.load(agent).config
    values = parsing.to_json(parsing.override(config, preset.settings))
    return {
        "task": task,
        "agent": agent,
        "settings": {field: values[field] for field in preset.settings},
        "env_arguments": dict(preset.env_kwargs),
    }
