"""How much of the learner's speed survives all that is around it, and how near the limit it is."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import tensorflow as tf

from benchmarks import arithmetic, measure, stage
from benchmarks.measure import Comparison
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
_SECONDS = 3.0
_WARM_UP_S = 1.5
# The least fraction of the matrix products' own speed.
_LIMIT_GOALS = {"iq": 0.6, "quinoa": 0.4}


def run() -> Iterator[Comparison]:
    """Compares the learner with its graph on data in memory, and that with its arithmetic.

    On all cores; and on one alone, where no core waits for another.
    """
    cores = stage.usable_cores()
    for agent, used in itertools.product(AGENTS, (cores, cores[:1])):
        both = {"task": TASK, "agent": agent}
        filled = {
            "segment_length": config_of(agent).segment_length,
            "num_transitions": _NUM_TRANSITIONS,
        }
        with (
            stage.network() as network,
            stage.Stage(
                "benchmarks.replay_server:serve", {**both, **filled}, network=network
            ) as server,
        ):
            whole, graph, limit, waiting = stage.call(
                "benchmarks.learner:take_turns",
                {**both, "address": server.answer()},
                cores=used,
                threads=len(used),
                network=network,
            )
        on = f"{agent}, {len(used)} of {len(cores)} cores"
        yield Comparison(
            "learner",
            f"{on}: replay, publishing, metrics, checkpoints",
            "steps/s",
            tuple(whole),
            "the same graph on data in memory",
            tuple(graph),
            0.9,
            note=f"{waiting:.1%} of the time spent waiting for replay",
        )
        yield Comparison(
            "learner",
            f"{on}: arithmetic",
            "steps/s",
            tuple(graph),
            "its matrix products alone",
            tuple(limit),
            _LIMIT_GOALS[agent],
        )


def take_turns(
    task: str, agent: str, address: str
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], float]:
    """A stage: gradient steps per second, by rounds.

    Returns:
        Those of the learner's process with everything it does; of its graph, on one superbatch in
        memory; of the graph's matrix products alone. The share of its time that the learner's
        process waited for replay.
    """
    experiment = Experiment(
        agent=agent,
        agent_config=config_of(agent),
        environment=task,
        steps_per_call=_STEPS_PER_CALL,
    )
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder(Path(root) / "run")
        folder.create()
        stop = threading.Event()
        counter = Counter(folder, experiment.budget)
        # The node writes a checkpoint when it ends, and none in rounds as short as these: `_whole`
        # adds one a minute.
        peer = ReplayPeer(FixedAddresses({Role.REPLAY: address}))
        node = LearnerNode(experiment, folder, peer, counter.report, stop)
        learner = node._learner
        whole = _whole(node, stop, experiment.checkpoint_period_s)
        superbatch = _superbatch(experiment, address)
        batch = tf.nest.map_structure(lambda x: x[0], superbatch)
        products = arithmetic.repeated(arithmetic.products(learner, batch))

        def graph_alone() -> int:
            float(learner.step(superbatch)["loss"])
            return _STEPS_PER_CALL

        def products_alone() -> int:
            float(products(_STEPS_PER_CALL))
            return _STEPS_PER_CALL

        alone = (graph_alone, products_alone)
        for side in alone:  # Traces and warms up.
            measure.rate(side, 1.0)
        whole_speed, graph_speed, limit = measure.in_turns(
            [whole, *(functools.partial(measure.rate, side, _SECONDS) for side in alone)], _ROUNDS
        )
        counter.close()
        waiting = float(pd.read_csv(folder.metrics("learner")).waiting.mean())
        return whole_speed, graph_speed, limit, waiting


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
