"""A2C whose transitions say which version of the parameters they were acted with.

The version is a variable of the policy, so that actors get it with the parameters. The learner
writes a line for each gradient step into the file that `VERSIONS_FILE` names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from acme import specs

from quinoa.agents import a2c
from quinoa.agents.policies import CategoricalPolicy
from quinoa.agents.types import Seed, Transition

# The variable of the environment that has the file's path.
VERSIONS_FILE = "QUINOA_TEST_VERSIONS_FILE"
VERSION = "version"
Config = a2c.Config


class Policy(CategoricalPolicy):
    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self.version = tf.Variable(0.0, trainable=False, name=VERSION)

    def extras(self, distribution: Any, action: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {VERSION: tf.fill(tf.shape(action), self.version)}


class Agent(a2c.Agent):
    """Its losses and networks are A2C's own."""

    policy: Policy

    @staticmethod
    def make_policy(config: Any, spec: specs.EnvironmentSpec) -> Policy:
        a2c.Agent.check_spec(spec)
        size, number = spec.observations.shape[0], spec.actions.num_values
        return Policy(size, number, hidden_sizes=config.hidden_sizes)

    @staticmethod
    def extras_spec(config: Any, spec: specs.EnvironmentSpec) -> Mapping[str, specs.Array]:
        return {VERSION: specs.Array((), np.float32)}

    def after_step(self, step: tf.Tensor, transitions: Transition, seed: Seed) -> None:
        super().after_step(step, transitions, seed)
        acted = transitions.extras[VERSION]
        tf.numpy_function(_write, [step, tf.reduce_min(acted), tf.reduce_max(acted)], [])
        self.policy.version.assign(tf.cast(step, tf.float32))


class Step(NamedTuple):
    """A gradient step as the file has it.

    Attributes:
        learner: the learner's process.
        number: how many steps were done with it.
        oldest: the lowest version that a transition of its batch was acted with.
        newest: the highest one.
    """

    learner: int
    number: int
    oldest: int
    newest: int


def steps_in(text: str) -> list[Step]:
    """The steps in the file's text, but for a line that is being written."""
    return [
        Step(*map(int, line.split())) for line in text.splitlines(keepends=True) if "\n" in line
    ]


def _write(step: Any, oldest: Any, newest: Any) -> None:
    with open(os.environ[VERSIONS_FILE], "a", encoding="ascii") as file:
        file.write(f"{os.getpid()} {step} {oldest:.0f} {newest:.0f}\n")
