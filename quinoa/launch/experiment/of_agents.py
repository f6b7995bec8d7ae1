"""Agents of an experiment: the settings that go with theirs, and what they learn from alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from quinoa.agents.config import AgentConfig, OffPolicyConfig
from quinoa.launch.errors import ExperimentError

if TYPE_CHECKING:
    from quinoa.agents.demonstration_agent import DemonstrationAgent
    from quinoa.agents.types import Transition
    from quinoa.launch.experiment import Experiment


def check_settings(
    config: AgentConfig,
    *,
    samples_per_insert: float | None,
    demonstrations: str | None,
    gradient_steps: int | None,
) -> None:
    """Raises `ExperimentError` where some do not.

    Args:
        config: of the agent.
        samples_per_insert: of the experiment.
        demonstrations: of the experiment.
        gradient_steps: of the run, about; None where they depend on how fast it is.
    """
    if samples_per_insert is not None and not isinstance(config, OffPolicyConfig):
        raise ExperimentError(
            f"samples_per_insert = {samples_per_insert:g} cannot work with this agent: it "
            "does not learn from replay. Leave it out."
        )
    if demonstrations is not None and config.has_actors and not isinstance(config, OffPolicyConfig):
        raise ExperimentError(
            f"demonstrations = {demonstrations!r} cannot work with this agent: it does "
            "not learn from replay. Leave it out."
        )
    schedule = getattr(config, "learning_rate_schedule", "constant")
    if schedule != "constant" and gradient_steps is None:
        raise ExperimentError(
            f"learning_rate_schedule = {schedule!r} cannot work: "
            "without a ratio of samples to insertions it is not known how many gradient steps "
            "the run has. Give samples_per_insert above 0."
        )


def make_demonstration_agent(experiment: Experiment) -> DemonstrationAgent:
    """Makes the agent of an experiment, where it learns from demonstrations alone; loads these.

    Raises:
        DemonstrationsError: they cannot be loaded, or nothing can be learned from them.
        UnknownAgentError: there is no such agent.
    """
    from quinoa.agents import registry

    made = registry.load_demonstration_agent(experiment.agent)
    return made(experiment.config, experiment.demonstrations or "", experiment.seed)


def demonstrations_of(experiment: Experiment) -> Callable[[], Transition]:
    """A function that loads an experiment's demonstrations and checks them; can be pickled.

    Raises (when it is called):
        DatasetError: they are not there, or cannot be learned from in this task.
    """
    from quinoa.demonstrations.minari_datasets import load

    assert experiment.demonstrations is not None
    return functools.partial(
        load,
        experiment.demonstrations,
        experiment.known_layout(),
        action_repeat=experiment.action_repeat,
    )
