"""Loads what a run without actors has learned: its agent, with the demonstrations and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.errors import RunError
from quinoa.launch.experiment import saved
from quinoa.launch.experiment.of_agents import make_demonstration_agent
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    from quinoa.agents.demonstration_agent import DemonstrationAgent
    from quinoa.irl.prediction import RouteModel


def load(folder: RunFolder, learner_steps: int | None = None) -> DemonstrationAgent:
    """Loads the agent of a run as it was at a checkpoint; needs no TensorFlow.

    Args:
        folder: of the run.
        learner_steps: the checkpoint's gradient steps; None is the newest undamaged one.

    Returns:
        The agent, whose `weights` are what was learned.

    Raises:
        RunError: the run has actors, is damaged, has no such checkpoint, or its demonstrations
            cannot be loaded or have changed.
    """
    from quinoa.agents.demonstration_agent import DemonstrationsError, OtherCheckpointError

    experiment = saved.load(folder)
    if experiment.config.has_actors:
        raise RunError(
            f"{folder.root} is a run of {experiment.agent}, which has learned a policy and not "
            "weights of features: give a run that learned from demonstrations alone."
        )
    checkpoint, _ = learner_checkpoints.chosen(folder.checkpoints, learner_steps)
    try:
        agent = make_demonstration_agent(experiment)
        agent.restore(checkpoint.learner_prefix)
    except (DemonstrationsError, OtherCheckpointError) as error:
        raise RunError(str(error)) from error
    return agent


def load_route_model(folder: RunFolder, learner_steps: int | None = None) -> RouteModel:
    """Loads what a run has learned from routes in a graph.

    Args:
        folder: of the run.
        learner_steps: see `load`.

    Raises:
        RunError: see `load`; or the run has not learned from routes.
    """
    model = load(folder, learner_steps).route_model()
    if model is None:
        raise RunError(f"{folder.root} has not learned from routes, so that it predicts none.")
    return model
