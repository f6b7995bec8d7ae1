"""Runs without the training: a folder, an experiment and a checkpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import save
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder

# Of policies that are flows: a graph of one grows with the couplings.
SMALL_FLOW: dict[str, Any] = {"num_couplings": 2, "coupling_hidden_sizes": (16,)}


# Layers for policies that many samples are drawn from, and how far to move those (see `make_run`).
SMALL_LAYERS, FAR = (32, 32), 0.15


def make_run(
    root: Path, environment: str, agent: str, *, moved: float = 0.0, **settings: Any
) -> RunFolder:
    """A run with one checkpoint.

    Args:
        root: its folder.
        environment: its name.
        agent: its name.
        moved: the standard deviation by which the policy's variables are moved at random; at 0
            they are as they begin.
        **settings: the agent's settings that are not its own.
    """
    loaded = registry.load(agent)
    config = dataclasses.replace(loaded.config, **settings)
    experiment = Experiment(agent=agent, agent_config=config, environment=environment, steps=10)
    folder = RunFolder(root)
    folder.create()
    save(experiment, folder)
    learner = Learner(loaded.agent_class, config, experiment.spec(), seed=0)
    if moved:
        rng = np.random.default_rng(0)
        for variable in learner.agent.policy.variables:
            variable.assign_add(moved * rng.standard_normal(variable.shape).astype(np.float32))
    learner_checkpoints.save(folder.checkpoints, learner, Counts(actor_steps=10))
    return folder
