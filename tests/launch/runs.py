"""Runs without the training: a folder, an experiment and a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.saved import save
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.run_folder import RunFolder


def make_run(root: Path, environment: str, agent: str, *, moved: bool = False) -> RunFolder:
    """A run with one checkpoint.

    Args:
        root: its folder.
        environment: its name.
        agent: its name.
        moved: whether the policy's variables have been moved at random; else nothing is learned.
    """
    loaded = registry.load(agent)
    experiment = Experiment(
        agent=agent, agent_config=loaded.config, environment=environment, steps=10
    )
    folder = RunFolder(root)
    folder.create()
    save(experiment, folder)
    learner = Learner(loaded.agent_class, loaded.config, experiment.spec(), seed=0)
    if moved:
        rng = np.random.default_rng(0)
        for variable in learner.agent.policy.variables:
            variable.assign_add(0.05 * rng.standard_normal(variable.shape).astype(np.float32))
    learner_checkpoints.save(folder.checkpoints, learner, Counts(actor_steps=10))
    return folder
