"""Checks that an experiment can run, before anything is started."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment

if TYPE_CHECKING:
    from quinoa.environments import Layout


def validate(experiment: Experiment, steps_done: int = 0, transitions_held: int = 0) -> Experiment:
    """Checks that an experiment can run; takes a few seconds.

    Makes an environment and steps it once, and makes the agent for it.

    Args:
        experiment: what is to be run.
        steps_done: the actor steps that a resumed run has done.
        transitions_held: the transitions that a resumed run has in replay.

    Returns:
        The experiment with the layout of its environment.

    Raises:
        ExperimentError: it cannot run; the message says what to change.
    """
    config = experiment.config
    # Replay gets an environment's steps a segment at a time.
    in_segments = config.segment_length * experiment.num_actors * experiment.environments_per_actor
    learner_starts = max(config.min_replay_size, in_segments)
    if transitions_held >= learner_starts:
        learner_starts = 0
    if experiment.steps - steps_done <= learner_starts:
        raise ExperimentError(
            f"steps = {experiment.steps} ends before the first gradient step: replay is to hold "
            f"{learner_starts} transitions by then (min_replay_size, or segment_length in "
            "every environment). Give more steps, or make those smaller."
        )
    layout = try_environment(experiment)
    _try_agent(experiment, layout)
    return dataclasses.replace(experiment, layout=layout)


def try_environment(experiment: Experiment) -> Layout:
    """Makes, resets and steps one environment; returns its layout.

    Raises:
        ExperimentError: it fails at one of these.
    """
    from quinoa.environments import Layout
    from quinoa.environments.user_code import described

    try:
        batch = experiment.make_environments(1, "validation")
        try:
            batch.reset()
            shape = (1, *batch.environments[0].action_spec().shape)
            for fault in batch.step(np.zeros(shape, np.float32)).faults:
                raise fault
            return Layout.of(batch.environments[0])
        finally:
            batch.close()
    except ExperimentError:
        raise
    except Exception as error:
        raise ExperimentError(
            f"The environment {experiment.environment} fails when it is made, reset and stepped: "
            f"{described(error)}"
        ) from error


def _try_agent(experiment: Experiment, layout: Layout) -> None:
    from quinoa.agents import initialization, registry
    from quinoa.environments.user_code import described

    try:
        agent_class = registry.load(experiment.agent).agent_class
        with initialization.alone():
            agent_class(experiment.config, layout.spec())
    except registry.UnknownAgentError as error:
        raise ExperimentError(str(error)) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ExperimentError(
            f"The agent {experiment.agent} cannot be made for {experiment.environment}: "
            f"{described(error)}"
        ) from error
