"""How much of an environment's own speed an actor keeps."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from dm_control import suite
from dm_control.rl import control

from benchmarks import measure, stage
from benchmarks.measure import Comparison
from benchmarks.progress import Part
from benchmarks.setting import TASK, config_of
from quinoa import environments
from quinoa.agents import registry
from quinoa.agents.actor import Actor
from quinoa.agents.numpy_form import FormLayout
from quinoa.agents.numpy_policy import NumpyPolicy, own_form
from quinoa.agents.parameter_vector import flatten
from quinoa.agents.parameters import FloatArray, ParameterClient
from quinoa.agents.replay import SegmentWriter
from quinoa.agents.rows import RowLayout

# What one policy call serves, and what one replay item holds, where an actor is to be fast.
NUM_ENVIRONMENTS = 64
SEGMENT_LENGTH = 64

# Of the bare environment's rate. The heavier tasks have one agent alone: what the agents cost
# differs least there.
_GOALS = {
    (TASK, "iq"): 0.75,
    (TASK, "quinoa"): 0.75,
    ("control:walker:walk", "iq"): 0.7,
    ("control:humanoid:run", "iq"): 0.7,
}
_ROUNDS = 5
_SECONDS = 1.0
_BARE_CHUNK = 100


def parts() -> Sequence[Part]:
    """A part for each task and agent."""
    return [
        Part(f"actor of {agent}, {task}", functools.partial(_compare, task, agent))
        for task, agent in _GOALS
    ]


def _compare(task: str, agent: str) -> Iterator[Comparison]:
    """Compares the actor with the bare environment, on one core.

    The replay server, which the actor writes to over gRPC, has the other cores.
    """
    ours, bare, in_turn = _on_one_core("take_turns", task, agent)
    case = f"{task}, {agent}, {NUM_ENVIRONMENTS} environments, segments of {SEGMENT_LENGTH}"
    for name, reference, goal in (
        ("bare environment, random actions", bare, _GOALS[task, agent]),
        # What the caches of a processor cost: no actor of as many can be faster.
        (f"{NUM_ENVIRONMENTS} bare environments in turn", in_turn, None),
    ):
        yield Comparison("actor", case, "steps/s", tuple(ours), name, tuple(reference), goal)


def speed(task: str, agent: str) -> float:
    """Steps per second of the actor alone, on one core."""
    return float(_on_one_core("alone", task, agent))


def take_turns(**settings: Any) -> tuple[tuple[float, ...], ...]:
    """A stage: steps per second of an actor, a bare environment, and as many in turn, by rounds."""
    count = int(settings["num_environments"])
    names = settings["task"].split(":")[1:]
    bare, *many = (suite.load(*names, task_kwargs={"random": seed}) for seed in range(1 + count))
    bounds = bare.action_spec()
    shape = (_BARE_CHUNK, *bounds.shape)
    actions = np.random.default_rng(0).uniform(bounds.minimum, bounds.maximum, shape)
    for environment in (bare, *many):
        environment.reset()
    _stagger(many)

    def step_bare() -> int:
        # After the last step of an episode, a step resets.
        for action in actions:
            bare.step(action)
        return _BARE_CHUNK

    def step_many() -> int:
        for index, environment in enumerate(many):
            environment.step(actions[index % _BARE_CHUNK])
        return count

    with contextlib.closing(make_actor(**settings)) as actor:
        sides: tuple[Callable[[], float], ...] = (
            lambda: measure.rate(lambda: actor.step().num_transitions, _SECONDS),
            lambda: measure.rate(step_bare, _SECONDS),
            lambda: measure.rate(step_many, _SECONDS),
        )
        for side in sides:  # Warms up.
            side()
        return measure.in_turns(sides, _ROUNDS)


def alone(**settings: Any) -> float:
    """A stage: steps per second of an actor."""
    with contextlib.closing(make_actor(**settings)) as actor:
        for seconds in (_SECONDS, _ROUNDS * _SECONDS):  # The first warms up.
            speed = measure.rate(lambda: actor.step().num_transitions, seconds)
        return speed


def _on_one_core(stage_name: str, task: str, agent: str) -> Any:
    """Calls a stage of this module on one core, beside a replay server on the others."""
    first, *others = stage.usable_cores()
    settings = {"task": task, "agent": agent, "segment_length": SEGMENT_LENGTH}
    with (
        stage.network() as network,
        stage.Stage(
            "benchmarks.replay_server:serve", settings, cores=others, network=network
        ) as server,
    ):
        return stage.call(
            f"benchmarks.actor:{stage_name}",
            {**settings, "address": server.answer(), "num_environments": NUM_ENVIRONMENTS},
            cores=[first],
            one_heap=True,
            network=network,
        )


def make_actor(
    task: str,
    agent: str,
    segment_length: int,
    address: str,
    num_environments: int,
    fetch: Callable[[], object] = lambda: None,
    settings: Mapping[str, Any] | None = None,
    env_arguments: Mapping[str, Any] | None = None,
) -> Actor:
    """An actor that writes to a replay server, and gets new parameters four times a second.

    Args:
        task: a name of an environment.
        agent: a name of an agent.
        segment_length: L.
        address: of the server.
        num_environments: that it steps together.
        fetch: called each time before it gets parameters, which are made in this process.
        settings: of the agent's configuration, those that are not the defaults.
        env_arguments: of the environment's constructor.
    """
    config = config_of(agent, segment_length=segment_length, **settings or {})
    batch = environments.EnvironmentBatch(
        [environments.make(task, seed, arguments=env_arguments) for seed in range(num_environments)]
    )
    spec = environments.environment_spec(batch.environments[0])
    policy = registry.load(agent).agent_class.make_policy(config, spec)
    published = flatten(policy)

    # At each poll there are new parameters, as there are while a learner learns.
    def get(version: int) -> tuple[int, FloatArray]:
        fetch()
        return version + 1, published

    form = own_form(policy)
    assert form is not None
    acting = NumpyPolicy(FormLayout(form, policy))
    parameters = ParameterClient(get, acting.assign)
    assert parameters.wait_for_first()
    writer = SegmentWriter(address, num_environments, config, RowLayout(spec))
    actor = Actor(acting, batch, writer, seed=0, parameters=parameters)
    _stagger([environment.inner for environment in batch.environments])
    return actor


def _stagger(all_of_them: Sequence[Any]) -> None:
    """Has the episodes, which have all just begun, end one after another.

    Resets cost as much as many steps. In a long run they spread out; here they would all fall into
    one round, and into none of the others.
    """
    for index, environment in enumerate(all_of_them):
        # Of other suites, episodes have different lengths, and spread out soon.
        if isinstance(environment, control.Environment):
            environment._step_count = int(index * environment._step_limit / len(all_of_them))
