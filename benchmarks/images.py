"""Images: how much of a game's own speed an actor keeps, and how fast images come out of replay."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import reverb
import tensorflow as tf
from acme import specs

from benchmarks import measure, stage
from benchmarks.actor import SEGMENT_LENGTH, make_actor
from benchmarks.measure import BenchmarkError, Comparison
from benchmarks.progress import Part
from benchmarks.setting import config_of, of_preset, spec_of
from quinoa import environments
from quinoa.agents import registry, replay
from quinoa.agents.numpy_policy import own_form
from quinoa.agents.replay import SegmentWriter, UniformReplay, make_table
from quinoa.agents.rows import RowLayout
from quinoa.agents.types import Transition
from quinoa.environments import EnvironmentBatch
from quinoa.environments.action_map import uniform_actions

_AGENT = "dqn"
_BREAKOUT, _INVADERS, _PONG = "minatar:breakout", "minatar:space_invaders", "atari:pong"
_REPLAYS = (_BREAKOUT, _PONG)
_ROUNDS = 5
_SECONDS = 1.0
_BARE_CHUNK = 100

_STEPS_PER_CALL = 10
_NUM_TRANSITIONS = 3200
_WRITERS = 8
_PATIENCE_S = 60.0


class Case(NamedTuple):
    """An actor.

    Attributes:
        task: what it plays.
        num_environments: how many it steps together.
        goal: of the bare game's rate.
        preset: whose settings it has in place of the agent's defaults.
    """

    task: str
    num_environments: int
    goal: float
    preset: str | None = None

    @property
    def name(self) -> str:
        """What it plays, and as what."""
        return self.task if self.preset is None else f"{self.task} as in the preset {self.preset}"


# Of MinAtar's games, a step of breakout takes the least, and one of space_invaders the most.
_ACTORS = (
    Case(_BREAKOUT, 64, 0.6),
    Case(_INVADERS, 64, 0.6),
    Case(_PONG, 16, 0.5),
    Case(_PONG, 16, 0.5, preset="atari/dqn_pong"),
)


def parts() -> Sequence[Part]:
    """A part for each actor, and one for each game's replay."""
    return [
        *(Part(f"actor, {case.name}", functools.partial(_actor, case)) for case in _ACTORS),
        *(Part(f"replay, {task}", functools.partial(_replay, task)) for task in _REPLAYS),
    ]


def _actor(case: Case) -> Iterator[Comparison]:
    """Compares an actor, the policy's calls and replay's writer in it, with the bare game.

    And with the bare game and the policy's matrix products, which is the most that an actor with
    this network can do on a core, were all else free.
    """
    first, *others = stage.usable_cores()
    same = {
        "task": case.task,
        "agent": _AGENT,
        "segment_length": SEGMENT_LENGTH,
        # Its agent and task are these.
        **({} if case.preset is None else of_preset(case.preset)),
    }
    with (
        stage.network() as network,
        stage.Stage(
            "benchmarks.replay_server:serve", same, cores=others, network=network
        ) as server,
    ):
        ours, bare, limit = stage.call(
            "benchmarks.images:take_turns",
            {
                **same,
                "address": server.answer(),
                "num_environments": case.num_environments,
            },
            cores=[first],
            one_heap=True,
            network=network,
        )
    for name, reference, of_goal in (
        ("bare game, random actions", bare, case.goal),
        ("bare game, and the policy's matrix products", limit, None),
    ):
        yield Comparison(
            "images",
            f"actor, {case.name}, {_AGENT}, {case.num_environments} environments, segments of "
            f"{SEGMENT_LENGTH}",
            "steps/s",
            tuple(ours),
            name,
            tuple(reference),
            of_goal,
        )


def take_turns(**of_actor: Any) -> tuple[tuple[float, ...], ...]:
    """A stage: steps per second of an actor, of the bare game, and with products, by rounds.

    The arguments are those of `make_actor`.
    """
    task, count = of_actor["task"], of_actor["num_environments"]
    env_arguments, settings = of_actor.get("env_arguments", {}), of_actor.get("settings", {})
    step_bare, step_many = (_bare(task, chunk, env_arguments) for chunk in (_BARE_CHUNK, count))
    multiply = _products(spec_of(task, env_arguments), settings, count)

    def step_and_multiply() -> int:
        multiply()
        return step_many()

    with contextlib.closing(make_actor(**of_actor)) as actor:
        sides: tuple[Callable[[], float], ...] = (
            lambda: measure.rate(lambda: actor.step().num_transitions, _SECONDS),
            lambda: measure.rate(step_bare, _SECONDS),
            lambda: measure.rate(step_and_multiply, _SECONDS),
        )
        for side in sides:  # Warms up.
            side()
        return measure.in_turns(sides, _ROUNDS)


def _products(
    spec: specs.EnvironmentSpec, settings: Mapping[str, Any], count: int
) -> Callable[[], None]:
    """Multiplies matrices of the shapes that the policy does for so many observations."""
    policy = registry.load(_AGENT).agent_class.make_policy(config_of(_AGENT, **settings), spec)
    form = own_form(policy)
    assert form is not None
    strides = [*form.settings["strides"].tolist()]
    height, width, _ = spec.observations.shape
    rng, pairs = np.random.default_rng(0), []
    for index, layer in enumerate(form.layers["network"]):
        weights = layer.weights.numpy()
        rows = count
        if index < len(strides):
            size, stride = len(weights), strides[index]
            height, width = (height - size) // stride + 1, (width - size) // stride + 1
            rows *= height * width
        matrix = weights.reshape(-1, weights.shape[-1])
        inputs = rng.normal(size=(rows, len(matrix))).astype(np.float32)
        pairs.append((inputs, matrix))

    def multiply() -> None:
        for inputs, matrix in pairs:
            np.dot(inputs, matrix)

    return multiply


def _bare(task: str, chunk: int, env_arguments: Mapping[str, Any]) -> Callable[[], int]:
    """Makes so many steps of a game as it is without us, with random actions."""
    rng = np.random.default_rng(0)
    if task.startswith("minatar:"):
        from quinoa.environments import minatar

        # MinAtar's own class, with its observation, as `minatar.Environment` calls it.
        game = minatar.game_class(task.partition(":")[2])()
        actions = rng.integers(6, size=chunk).tolist()
        game.reset()

        def step_minatar() -> int:
            for action in actions:
                if game.act(action)[1]:
                    game.reset()
                game.state()
            return chunk

        return step_minatar
    # The emulator with Gymnasium's wrappers, without which there is no such observation.
    wrapped: Any = environments.make(task, 0, arguments=env_arguments).inner
    gymnasium_env = wrapped.gymnasium_environment
    actions = rng.integers(gymnasium_env.action_space.n, size=chunk).tolist()
    gymnasium_env.reset(seed=0)

    def step_atari() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = gymnasium_env.step(action)
            if terminated or truncated:
                gymnasium_env.reset()
        return chunk

    return step_atari


def _replay(task: str) -> Iterator[Comparison]:
    """Compares superbatches from a server in another process with those from arrays in memory."""
    with (
        stage.network() as network,
        stage.Stage("benchmarks.images:serve", {"task": task}, network=network) as server,
    ):
        address, bytes_stored = server.answer()
        ours, array = stage.call(
            "benchmarks.images:draw", {"address": address, "task": task}, network=network
        )
    config, image = config_of(_AGENT), spec_of(task).observations
    yield Comparison(
        "images",
        f"replay, {task}, batches of {config.batch_size}, {_STEPS_PER_CALL} a call",
        "transitions/s",
        tuple(ours),
        "arrays of both images in the same process",
        tuple(array),
        None,
        note=f"{bytes_stored:.0f} bytes a transition, and {2 * np.prod(image.shape)} of its images",
    )


def serve(task: str) -> Iterator[tuple[str, float]]:
    """A service stage: a table with transitions of random actions.

    Yields:
        The server's address, and the bytes that a transition takes before Reverb compresses it.
    """
    config, layout = config_of(_AGENT), RowLayout(spec_of(task))
    server = reverb.Server([make_table(config, layout, samples_per_insert=0, steps_per_call=1)])
    address = f"localhost:{server.port}"
    memory = UniformReplay(config, layout, steps_per_call=1).memory(0)
    writer, also = SegmentWriter(address, _WRITERS, config, layout), memory.writer(_WRITERS)
    for transitions in _played(task):
        writer.append(transitions)
        also.append(transitions)
    if not writer.close(_PATIENCE_S):
        raise BenchmarkError(f"Replay did not take {_NUM_TRANSITIONS} transitions.")
    yield address, memory.num_bytes / len(memory)


def draw(address: str, task: str) -> tuple[tuple[float, ...], ...]:
    """A stage: transitions per second, by rounds, out of Reverb and out of arrays."""
    config, layout = config_of(_AGENT), RowLayout(spec_of(task))
    count = _STEPS_PER_CALL * config.batch_size
    superbatches = replay.superbatches(address, config, layout, steps_per_call=_STEPS_PER_CALL)
    rows = np.concatenate([layout.pack(transitions) for transitions in _played(task, 400)])
    random = np.random.default_rng(0)

    def from_reverb() -> int:
        next(superbatches)
        return count

    def from_arrays() -> int:
        drawn = rows[random.integers(len(rows), size=(_STEPS_PER_CALL, config.batch_size))]
        tf.nest.map_structure(tf.convert_to_tensor, layout.unpack(drawn))
        return count

    sides: tuple[Callable[[], float], ...] = (
        lambda: measure.rate(from_reverb, _SECONDS),
        lambda: measure.rate(from_arrays, _SECONDS),
    )
    for side in sides:  # Warms up.
        side()
    results = measure.in_turns(sides, _ROUNDS)
    superbatches.close()
    return results


def _played(task: str, number: int = _NUM_TRANSITIONS) -> Iterator[Transition]:
    """Transitions of random actions, of leading shape [N]."""
    batch = EnvironmentBatch([environments.make(task, seed) for seed in range(_WRITERS)])
    actions, rng = batch.environments[0].action_spec(), np.random.default_rng(0)
    observation = batch.reset()
    try:
        for _ in range(number // _WRITERS):
            action = uniform_actions(actions, rng, _WRITERS)
            result = batch.step(action)
            yield Transition(
                observation,
                action,
                result.reward,
                result.discount,
                result.next_observation,
                result.last,
            )
            observation = result.observation
    finally:
        batch.close()
