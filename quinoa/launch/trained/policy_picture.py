"""Draws a policy in given states: samples, as Figure 2 of the Quinoa paper, or probabilities."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from quinoa.launch.analysis import tables
from quinoa.launch.errors import ExperimentError
from quinoa.launch.terminal.numbers import count
from quinoa.launch.terminal.output import say
from quinoa.launch.trained.action_probabilities import of_each_action
from quinoa.launch.trained.evaluate import load_agent, load_policy
from quinoa.launch.trained.policy_panels import SampledActions, draw

if TYPE_CHECKING:
    import pandas as pd

    from quinoa.agents.protocol import Agent, Policy
    from quinoa.launch.checkpoints.learner_checkpoints import Checkpoint
    from quinoa.launch.experiment import Experiment

# The most states in one picture.
MAX_STATES = 8


class LabelledState(NamedTuple):
    """A state in which to sample the policy.

    Attributes:
        label: its label in the picture.
        observation: float32 [O], or uint8 [H, W, C] of an image.
    """

    label: str
    observation: npt.NDArray[Any]


def draw_policy(
    experiment: Experiment,
    checkpoint: Checkpoint,
    path: Path,
    *,
    steps: Sequence[int] = (),
    states: Sequence[LabelledState] = (),
    num_actions: int = 1000,
    seed: int = 0,
    table: Path | None = None,
) -> Path:
    """Draws a policy in given states, with a row for each state.

    Of a finite set of actions, the bars are π(a|s), or the shares of sampled actions if the policy
    has no density, and V(s) stands above them; beside them are bars of Q(s, a), if the agent has Q.
    Of several choices at once, each has bars of the shares of its values in sampled actions.

    Actions from a box are sampled, and drawn as scatter plots of pairs of dimensions. Dimensions
    are paired in order: the first with the second, the third with the fourth, and an odd last one
    with the first. The colour is a kernel density estimate; if actions lie on a grid, each cell is
    coloured by its share of the actions.

    Args:
        experiment: the run's experiment.
        checkpoint: the checkpoint whose policy to sample.
        path: the picture's file; its ending is the format.
        steps: states to draw: those after these numbers of steps of an episode with sampled
            actions. If the episode ends earlier, its last state with an action is drawn, with a
            note.
        states: further states to draw.
        num_actions: how many actions to sample in each state.
        seed: the seed of the environment and the actions.
        table: a CSV file for the actions, a row each: its state's label, and its dimensions.

    Raises:
        RunError: the checkpoint is damaged, or does not fit the experiment.
        ExperimentError: a given state does not fit the environment.
    """
    agent: Agent | None = None
    if not experiment.known_layout().numbers_of_actions:
        policy = load_policy(experiment, checkpoint)
    else:
        agent = load_agent(experiment, checkpoint)
        policy = agent.policy
    drawn = _sample(experiment, policy, steps, states, num_actions, seed, agent)
    of_each = drawn[0].of_each
    is_exact = of_each is not None and of_each.probabilities is not None
    what = "π(a|s)" if is_exact else f"{num_actions} actions"
    if table is not None:
        tables.write_table(_tabulated(drawn), table)
    return draw(
        drawn,
        f"{experiment.agent} on {experiment.environment}: {what} in "
        f"{'one state' if len(drawn) == 1 else 'each state'}",
        path,
    )


def read_states(path: Path) -> list[LabelledState]:
    """Reads states from a `.npy` file, or from lists in a `.json` file.

    Args:
        path: of one state or of S: vectors [O] or [S, O], images [H, W, C] or [S, H, W, C].

    Raises:
        ExperimentError: the file is missing, or is not of that form.
    """
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix.lower() == ".json":
            values = np.array(json.loads(path.read_text(encoding="utf-8-sig")), np.float64)
        else:
            raise ValueError("it must end in .npy or .json")
        values = np.asarray(values, np.float32)
    except (OSError, EOFError, ValueError, TypeError, RecursionError) as error:
        what = getattr(error, "strerror", None) or str(error).strip().splitlines()[0]
        raise ExperimentError(f"The observations in {path} cannot be read: {what}.") from error
    if values.ndim not in (1, 2, 3, 4) or not values.size or not np.isfinite(values).all():
        raise ExperimentError(
            f"The observations in {path} must be finite numbers, [O] or [S, O], or images, "
            f"[H, W, C] or [S, H, W, C]; they are {list(values.shape)}."
        )
    if values.ndim > 2:
        if ((values != np.rint(values)) | (values < 0) | (values > 255)).any():
            raise ExperimentError(f"The images in {path} must be of integers from 0 to 255.")
        values = values.astype(np.uint8)
    values = values if values.ndim in (2, 4) else values[None]
    if len(values) == 1:
        return [LabelledState(path.name, values[0])]
    return [LabelledState(f"{path.name}[{i}]", value) for i, value in enumerate(values)]


def _sample(
    experiment: Experiment,
    policy: Policy,
    steps: Sequence[int],
    states: Sequence[LabelledState],
    num_actions: int,
    seed: int,
    agent: Agent | None = None,
) -> list[SampledActions]:
    """Plays an episode up to the steps, and samples actions in each state.

    With the agent of a policy for finite sets of actions, what it makes of the state is added.
    """
    import tensorflow as tf

    from quinoa.agents.compiled_policy import CompiledPolicy

    shape = experiment.spec().observations.shape
    for state in states:
        if state.observation.shape != shape:
            wanted, found = f"the shape {list(shape)}", str(list(state.observation.shape))
            if len(shape) == state.observation.ndim == 1:
                wanted, found = f"{shape[0]} numbers", str(len(state.observation))
            raise ExperimentError(
                f"An observation of {experiment.environment} has {wanted}, and {state.label} "
                f"{found}."
            )
    drawn = []
    for state in (*_played(experiment, policy, steps, seed), *states):
        repeated = np.repeat(state.observation[None], num_actions, axis=0)
        act = CompiledPolicy(policy).actions(repeated.shape, seed=seed, sample=True)
        actions = act(repeated, 0)
        bins = getattr(policy(tf.constant(state.observation[None])), "num_bins", None)
        drawn.append(SampledActions(state.label, actions, bins))
        if agent is not None:
            numbers = experiment.known_layout().numbers_of_actions
            number = numbers[0] if actions.ndim == 1 else None
            of_each = of_each_action(agent, state.observation, number)
            drawn[-1] = drawn[-1]._replace(numbers=numbers, of_each=of_each)
    return drawn


def _tabulated(drawn: Sequence[SampledActions]) -> pd.DataFrame:
    """A row for each action: `state`, and `action_1` to `action_A`, or `action` of a finite set."""
    import pandas as pd

    parts = []
    for of_state in drawn:
        if of_state.actions.ndim == 1:
            part = pd.DataFrame({"action": of_state.actions})
        else:
            size = of_state.actions.shape[1]
            part = pd.DataFrame(of_state.actions, columns=[f"action_{i + 1}" for i in range(size)])
        part.insert(0, "state", of_state.label)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _played(
    experiment: Experiment, policy: Policy, steps: Sequence[int], seed: int
) -> list[LabelledState]:
    from quinoa.agents.compiled_policy import CompiledPolicy

    if not steps:
        return []
    environments = experiment.make_environments(1, f"policy-picture-{seed}")
    found = {}
    try:
        observation = environments.reset()
        act = CompiledPolicy(policy).actions(observation.shape, seed=seed, sample=True)
        for index in range(max(steps) + 1):
            if index in steps:
                found[index] = observation[0].copy()
            if index == max(steps):
                break
            result = environments.step(act(observation, index))
            for fault in result.faults:
                raise fault
            if result.last[0]:
                beyond = ", ".join(str(step) for step in steps if step > index)
                say(
                    f"quinoa: note: the episode is over after {count(index + 1, 'step')}, and has "
                    f"no step {beyond}: its last action is drawn instead, at step {index}.",
                    sys.stderr,
                )
                found[index] = observation[0].copy()
                break
            observation = result.observation
    finally:
        environments.close()
    return [LabelledState(f"step {step}", found[step]) for step in sorted(found)]
