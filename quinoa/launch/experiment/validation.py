"""Checks that an experiment can run, before anything is started."""

from __future__ import annotations

import dataclasses
import functools
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np

from quinoa.agents.config import OffPolicyConfig
from quinoa.config.fields import ConfigError
from quinoa.demonstrations.names import DatasetError
from quinoa.launch.errors import ExperimentError
from quinoa.launch.experiment import Experiment
from quinoa.launch.experiment.of_agents import demonstrations_of, make_demonstration_agent
from quinoa.launch.experiment.stored_names import check_dataset
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say

if TYPE_CHECKING:
    from quinoa.environments import Layout


T = TypeVar("T")

# Tells the user something at once.
Say: TypeAlias = Callable[[str], object]

_MAKING_AGENT = "Making the agent for a trial"
# Seconds after which the user is told what a trial still waits for.
_SLOW_S = 10.0


class Trial(Protocol):
    """Calls a function that tries something, in this process or in another."""

    def __call__(self, what: str, function: Callable[[Say], T]) -> T:
        """Calls it.

        Args:
            what: a few words on what it does, which begin a sentence, for errors.
            function: can be pickled by cloudpickle, as its result can.

        Raises:
            ExperimentError: it does, or makes no progress, where its process is another.
        """


def _here(what: str, function: Callable[[Say], T]) -> T:
    del what
    return function(functools.partial(say, stream=sys.stderr))


def _telling(what: str, function: Callable[[], T], tell: Say) -> T:
    """Calls a function, and tells the user what it does where that takes long."""
    text = f"quinoa: note: {what} takes more than {_SLOW_S:g} s; Ctrl-C ends it."
    timer = threading.Timer(_SLOW_S, tell, [text])
    timer.daemon = True
    timer.start()
    try:
        return function()
    finally:
        timer.cancel()


def validate(
    experiment: Experiment,
    steps_done: int = 0,
    transitions_held: int = 0,
    *,
    checkpoint: str | None = None,
    call: Trial = _here,
) -> Experiment:
    """Checks that an experiment can run; takes a few seconds.

    Makes an environment and steps it once, and makes the agent and its source for it. An agent
    that learns from demonstrations alone loads these.

    Args:
        experiment: what is to be run.
        steps_done: the steps that a resumed run has done; maybe all.
        transitions_held: the transitions that a resumed run has in replay.
        checkpoint: what a resumed run goes on from, as `Learner.restore` takes it: it is read on
            trial. With one, nothing is needed of the run whose networks it began with.
        call: calls what needs TensorFlow or may hang; by default in this process.

    Returns:
        The experiment with the layout of its environment.

    Raises:
        ExperimentError: it cannot run; the message says what to change.
    """
    check_demonstrations(experiment)

    def attempt(what: str, function: Callable[[], T]) -> T:
        return call(what, functools.partial(_telling, what, function))

    if not experiment.config.has_actors:
        attempt(_MAKING_AGENT, functools.partial(_try_demonstrations, experiment, checkpoint))
        return experiment
    try:
        learner_starts = experiment.learner_config.transitions_before_learning(
            experiment.num_environments, experiment.steps_per_call
        )
    except ConfigError as error:
        raise ExperimentError(str(error)) from error
    if 0 < experiment.steps - steps_done <= max(learner_starts - transitions_held, 0):
        by_then, why, advice = "it is done on", "batch_size", "make that smaller"
        if isinstance(experiment.config, OffPolicyConfig):
            by_then, advice = "replay is to have got", "make those smaller"
            why = "min_replay_size, or segment_length in every environment"
            if ratio := experiment.config.samples_per_insert:
                why = (
                    "min_replay_size and then, so that a call's samples are due, steps_per_call "
                    f"times batch_size over samples_per_insert, {ratio:g}; or segment_length in "
                    "every environment"
                )
                advice = "make those smaller and samples_per_insert greater"
        advice = f"Give more steps, or {advice}."
        if steps_done:
            # Settings of the agent stay, of a run that resumes.
            again = "" if transitions_held else ", or --resume_replay where replay was saved"
            advice = f"Give more steps, by --steps and --change=steps{again}."
        raise ExperimentError(
            f"steps = {experiment.steps} ends before the first gradient step: {by_then} "
            f"{learner_starts} transitions by then ({why}). {advice}"
        )
    layout = attempt(
        f"Making, resetting and stepping the environment {experiment.environment}",
        functools.partial(try_environment, experiment),
    )
    experiment = dataclasses.replace(experiment, layout=layout)
    attempt(_MAKING_AGENT, functools.partial(_try_agent, experiment, checkpoint))
    return experiment


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
            actions = batch.environments[0].action_spec()
            for fault in batch.step(np.zeros((1, *actions.shape), actions.dtype)).faults:
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


def check_demonstrations(experiment: Experiment) -> None:
    """Raises `ExperimentError` where demonstrations are missing, or do not fit what is given."""
    if experiment.config.has_actors:
        if experiment.demonstrations is not None:
            check_dataset(experiment.demonstrations)
        return
    if not experiment.demonstrations:
        raise ExperimentError(
            f"The agent {experiment.agent} learns from demonstrations alone: give some, "
            "--demonstrations=FILE."
        )
    if experiment.environment:
        raise ExperimentError(
            f"The agent {experiment.agent} learns from demonstrations alone, and acts in no "
            f"environment: leave --env={experiment.environment} out."
        )
    if experiment.init_from is not None:
        raise ExperimentError(
            f"--init_from cannot work with the agent {experiment.agent}, which has no networks: "
            "leave it out."
        )


def _try_demonstrations(experiment: Experiment, checkpoint: str | None) -> None:
    from quinoa.agents import registry
    from quinoa.agents.demonstration_agent import DemonstrationsError, OtherCheckpointError

    try:
        agent = make_demonstration_agent(experiment)
        if checkpoint is None:
            agent.check_settings()
        else:
            agent.restore(checkpoint)
    except (registry.UnknownAgentError, DemonstrationsError, OtherCheckpointError) as error:
        raise ExperimentError(str(error)) from error


def _try_agent(experiment: Experiment, checkpoint: str | None) -> None:
    from quinoa.agents import initialization, numpy_policy, registry, warm_start
    from quinoa.agents.canonical_spec import SpecError
    from quinoa.agents.learner import Learner
    from quinoa.agents.learner_checkpoint import CheckpointError
    from quinoa.environments.user_code import described

    try:
        agent_class = experiment.agent_class()
        if checkpoint is None:
            with initialization.alone():
                agent = agent_class(experiment.config, experiment.spec())
            if experiment.init_from is not None:
                warm_start.take(agent, experiment.init_from, experiment.init_part)
        else:
            learner = Learner(
                agent_class,
                experiment.learner_config,
                experiment.spec(),
                experiment.seed,
                gradient_steps=experiment.gradient_steps,
            )
            learner.restore(checkpoint)
            agent = learner.agent
        numpy_policy.check_noise(agent.policy, experiment.learner_config.sampling())
        source = experiment.make_source()
        if experiment.demonstrations is not None:
            source.from_episodes(demonstrations_of(experiment)())
    except DatasetError as error:
        raise ExperimentError(f"--demonstrations: {error}") from error
    except registry.UnknownAgentError as error:
        raise ExperimentError(str(error)) from error
    except CheckpointError as error:
        what = "--init_from: " if checkpoint is None else ""
        raise ExperimentError(f"{what}{error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # The sentence alone, where it is one for users.
        why = str(error) if isinstance(error, (ConfigError, SpecError)) else described(error)
        raise ExperimentError(
            f"The agent {experiment.agent} cannot be made for {experiment.environment}: {why}"
        ) from error
    possible = source.steps_per_call
    if possible != experiment.steps_per_call:
        raise ExperimentError(
            f"steps_per_call = {experiment.steps_per_call} cannot work with this agent, which "
            f"does {count(possible, 'gradient step')} at a time: give steps_per_call = {possible}."
        )
