"""How much of the learner's speed survives all that is around it, and how near the limit it is."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import arithmetic, ingredients, measure, stage
from benchmarks.measure import BenchmarkError, Comparison
from benchmarks.progress import Part
from benchmarks.setting import AGENTS, TASK, config_of
from quinoa.agents.learner import Learner
from quinoa.agents.types import Transition
from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.metrics.counter import Counter
from quinoa.launch.nodes.addresses import FixedAddresses
from quinoa.launch.nodes.learner import LearnerNode
from quinoa.launch.nodes.peers import ReplayPeer
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

_STEPS_PER_CALL = 50
_NUM_TRANSITIONS = 100_000
_ROUNDS = 3
_SECONDS = 2.0
_WARM_UP_S = 1.5
# The least fraction of the matrix products' own speed, on all cores and on one.
_LIMIT_GOALS = {"iq": (0.8, 0.6), "quinoa": (0.55, 0.4)}
# The least ratio of two cores to one.
_CORES_GOALS = {"iq": 1.7, "sac": 1.6}


class Round(NamedTuple):
    """Gradient steps per second of a learner, in one round.

    Attributes:
        whole: the learner's process with everything it does.
        graph: its graph, on one superbatch in memory.
        products: the graph's matrix products alone.
        waiting: the share of its time that the whole has waited for replay, in all rounds so far.
    """

    whole: float
    graph: float
    products: float
    waiting: float


def parts() -> Sequence[Part]:
    """A part for each agent, and one for what IQ's preset has that its paper has not."""
    return [
        *(
            Part(
                f"learner of {agent}, all cores and one in turn",
                functools.partial(_compare, agent),
            )
            for agent in AGENTS
        ),
        Part(f"learner of {ingredients.PRESET}, without parts of it", ingredients.run),
    ]


def _compare(agent: str) -> Iterator[Comparison]:
    """Compares the learner with its graph on data in memory, and that with its arithmetic.

    On all cores; and on one alone, where no core waits for another.
    """
    cores = stage.usable_cores()
    both = {"task": TASK, "agent": agent}
    filled = {
        "segment_length": config_of(agent).segment_length,
        "num_transitions": _NUM_TRANSITIONS,
    }
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(stage.network())
        server = stage.Stage("benchmarks.replay_server:serve", {**both, **filled}, network=network)
        address = stack.enter_context(server).answer()
        stages = [
            stack.enter_context(
                stage.Stage(
                    "benchmarks.learner:rounds",
                    {**both, "address": address},
                    cores=used,
                    threads=len(used),
                    network=network,
                )
            )
            for used in (cores, cores[:1])
        ]
        for each in stages:
            each.answer()
        results: list[list[Round]] = [[], []]
        for index, side in measure.turns(len(stages), _ROUNDS):
            done = Round(*stages[side].ask())
            if not min(done.whole, done.graph, done.products) > 0:
                raise BenchmarkError(f"A side of {agent} did nothing in round {index + 1}.")
            results[side].append(done)
    for side, count in enumerate((len(cores), 1)):
        of_side = results[side]
        on = f"{agent}, {count} of {len(cores)} cores"
        graph = tuple(each.graph for each in of_side)
        yield Comparison(
            "learner",
            f"{on}: replay, publishing, metrics, checkpoints",
            "steps/s",
            tuple(each.whole for each in of_side),
            "the same graph on data in memory",
            graph,
            0.9,
            note=f"{of_side[-1].waiting:.1%} of the time spent waiting for replay",
        )
        yield Comparison(
            "learner",
            f"{on}: arithmetic",
            "steps/s",
            graph,
            "its matrix products alone",
            tuple(each.products for each in of_side),
            _LIMIT_GOALS[agent][side] if agent in _LIMIT_GOALS else None,
        )
    on_all, on_one = results
    yield Comparison(
        "learner",
        f"{agent}: {len(cores)} cores beside one",
        "steps/s",
        tuple(each.graph for each in on_all),
        "the same graph on one core",
        tuple(each.graph for each in on_one),
        # Said of two cores.
        _CORES_GOALS.get(agent) if len(cores) == 2 else None,
    )


def rounds(task: str, agent: str, address: str) -> Generator[Any, None, None]:
    """A service stage: what a learner does in each round.

    Args:
        task: a name of an environment.
        agent: a name of an agent.
        address: of a replay server that has data.

    Yields:
        None when all is ready and warm, then a `Round` each time.
    """
    experiment = Experiment(
        agent=agent,
        agent_config=config_of(agent),
        environment=task,
        steps_per_call=_STEPS_PER_CALL,
    )
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(tempfile.TemporaryDirectory())
        folder = RunFolder(Path(root) / "run")
        folder.create()
        stop = threading.Event()
        counter = stack.enter_context(contextlib.closing(Counter(folder, experiment.budget)))
        # The node writes a checkpoint when it ends, and none in rounds as short as these: `_whole`
        # adds one a minute.
        peer = ReplayPeer(FixedAddresses({Role.REPLAY: address}))
        node = LearnerNode(experiment, folder, peer, counter.report, stop)
        whole = _whole(node, stop, experiment.checkpoint_period_s)
        superbatch = _superbatch(experiment, address)
        graph, products = arithmetic.beside_its_products(node._learner, superbatch)
        for side in (graph, products):
            measure.rate(side, 1.0)
        yield None
        while True:
            speeds = whole(), measure.rate(graph, _SECONDS), measure.rate(products, _SECONDS)
            # Writes the rows so far.
            counter.save()
            waiting = float(pd.read_csv(folder.metrics("learner")).waiting.mean())
            yield Round(*speeds, waiting)


def _whole(
    node: LearnerNode, stop: threading.Event, checkpoint_period_s: float
) -> Callable[[], float]:
    """The process's main loop, run for a while in a thread of its own."""

    def measured() -> float:
        stop.clear()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(node.run)
            try:
                time.sleep(_WARM_UP_S)
                first, start = node._learner.steps, time.perf_counter()
                time.sleep(_SECONDS)
                speed = (node._learner.steps - first) / (time.perf_counter() - start)
            finally:
                stop.set()
            # Raises what the loop has raised.
            running.result()
        return speed * checkpoint_period_s / (checkpoint_period_s + _time_to_save(node._learner))

    return measured


def _time_to_save(learner: Learner) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        learner_checkpoints.save(Path(folder), learner, Counts())
        return time.perf_counter() - start


def _superbatch(experiment: Experiment, address: str) -> Transition:
    superbatches = experiment.make_source().superbatches(address, fingerprint=lambda: 0)
    superbatch = next(superbatches)
    superbatches.close()
    return superbatch
