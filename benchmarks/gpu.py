"""The learner on a GPU, beside the same learner on all of this machine's cores.

Both run on superbatches that lie in the main memory, which is where replay's are.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from benchmarks import arithmetic, measure, stage
from benchmarks.measure import BenchmarkError, Comparison, Point
from benchmarks.progress import Part
from benchmarks.setting import TASK, learner_config_of, spec_of
from quinoa.agents import registry
from quinoa.agents.learner import Learner
from quinoa.launch.checks.subject import random_transitions, tensors
from quinoa.launch.machine import sizing

_ROUNDS = 3
_SECONDS = 1.0
# K on each, as a run has it.
_ON_GPU, _ON_CPU = 200, 50
_AGENTS = ("iq", "sac", "quinoa", "crossq")
_AGENT = "iq"
_BATCHES = (256, 1024, 4096)
_WIDTHS = (256, 1024)
_STEPS_IN_A_CALL = (1, 50, 200, 1000)
# Of a learning rate that a schedule moves; no case ends.
_GRADIENT_STEPS = 10**6


class Case(NamedTuple):
    """A learner on the GPU and what it is compared with.

    Attributes:
        what: of the learner, for the table.
        agent: a name of an agent.
        settings: of its configuration, those that are not the defaults.
        steps_per_call: K on the GPU.
        reference: the same learner without XLA on the GPU, or on all cores.
        point: of a curve.
    """

    what: str
    agent: str = _AGENT
    settings: Mapping[str, Any] = {}
    steps_per_call: int = _ON_GPU
    reference: str = "on all cores"
    point: Point | None = None


def cases() -> Mapping[str, Sequence[Case]]:
    """The learners of each part, by its name."""
    return {
        "agents": [Case(agent, agent) for agent in _AGENTS],
        "batch": [
            Case(
                f"{_AGENT}, batches of {size:,}",
                settings={"batch_size": size},
                point=Point("learner on a GPU by batch", "transitions in a batch", size),
            )
            for size in _BATCHES
        ],
        "width": [
            Case(
                f"{_AGENT}, {width:,} units a layer",
                settings={"hidden_sizes": [width] * 2},
                point=Point("learner on a GPU by width", "units in each of 2 layers", width),
            )
            for width in _WIDTHS
        ],
        "K": [
            Case(
                f"{_AGENT}, {count:,} gradient steps in a call",
                steps_per_call=count,
                point=Point("learner on a GPU by K", "gradient steps in a call (K)", count),
            )
            for count in _STEPS_IN_A_CALL
        ],
        "XLA": [Case(f"{_AGENT}, compiled by XLA", reference="without XLA")],
    }


def parts() -> Sequence[Part]:
    """A part for each kind of case.

    Raises:
        BenchmarkError: there is no GPU.
    """
    if not sizing.has_gpu(stage.inherited()):
        raise BenchmarkError("--only=gpu needs an NVIDIA GPU, and there is none in sight here.")
    return [
        Part(f"learner on a GPU: {name}", functools.partial(run, of_part))
        for name, of_part in cases().items()
    ]


def run(of_part: Sequence[Case]) -> Iterator[Comparison]:
    """Compares each learner on the GPU with its reference, in turns."""
    for case in of_part:
        same: dict[str, Any] = {"agent": case.agent, "settings": dict(case.settings)}
        ours = {**same, "steps_per_call": case.steps_per_call, "on_gpu": True}
        reference = {**same, "steps_per_call": _ON_CPU, "on_gpu": False}
        if case.reference == "without XLA":
            reference = {**ours, "jit_compile": False}
        sides, first_s = [], []
        with contextlib.ExitStack() as stack:
            for arguments in (ours, reference):
                side = stage.Stage(
                    "benchmarks.gpu:speeds",
                    arguments,
                    threads=len(stage.usable_cores()),
                    gpu=arguments["on_gpu"],
                )
                sides.append(stack.enter_context(side))
                # One after the other, or they would compile at the same time.
                first_s.append(side.answer())
            speeds_of = measure.in_turns([side.ask for side in sides], _ROUNDS)
        yield Comparison(
            "gpu",
            f"learner, {case.what}",
            "steps/s",
            speeds_of[0],
            f"the same {case.reference}",
            speeds_of[1],
            note=f"made, compiled and through its first call in {first_s[0]:.0f} s",
            point=case.point,
        )


def speeds(
    agent: str,
    settings: Mapping[str, Any],
    steps_per_call: int,
    on_gpu: bool,
    jit_compile: bool | None = None,
) -> Iterator[float]:
    """A service stage: gradient steps per second of a learner on random transitions.

    Yields:
        Seconds until the learner was made and its first call was over, then steps per second each
        time.

    Raises:
        BenchmarkError: TensorFlow cannot use the GPU.
    """
    if on_gpu and not tf.config.list_physical_devices("GPU"):
        raise BenchmarkError("TensorFlow finds no GPU: see docs/tutorials/running_on_a_gpu.md.")
    config, spec = learner_config_of(agent, **settings), spec_of(TASK)
    with tf.device("CPU"):
        superbatch = tensors(random_transitions(spec, steps_per_call, *config.batch_shape))
    start = time.perf_counter()
    learner = Learner(
        registry.load(agent).agent_class,
        config,
        spec,
        seed=0,
        gradient_steps=_GRADIENT_STEPS,
        jit_compile=jit_compile,
    )
    call = arithmetic.steps_of(learner, superbatch)
    call()
    yield time.perf_counter() - start
    measure.rate(call, _SECONDS)
    while True:
        yield measure.rate(call, _SECONDS)
