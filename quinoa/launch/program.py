"""An experiment as one Launchpad program: which processes there are, and who talks to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import launchpad as lp
from launchpad import address

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

# A run is over when all nodes of this group have returned.
WORKERS = Role.ACTOR
# Then, or when it is to end early, the others are told to stop, group by group: those that need
# others before those that they need.
STOP_ORDER = ((Role.ACTOR, Role.EVALUATOR), (Role.LEARNER,), (Role.COUNTER, Role.REPLAY))

# The groups whose processes import TensorFlow.
USE_TENSORFLOW = (Role.REPLAY, Role.LEARNER, Role.ACTOR, Role.EVALUATOR)

# What other nodes report to and wait for when they stop.
HEARERS = (Role.COUNTER, Role.REPLAY)

# Seconds after which a call to another process fails: it is restarting, or gone.
CALL_TIMEOUT_S = 20


def make_program(experiment: Experiment, folder: RunFolder) -> lp.Program:
    """Makes the program of an experiment, which goes on from the folder's newest checkpoint.

    Args:
        experiment: what is run.
        folder: of the run.
    """
    _, start = learner_checkpoints.newest_with_counts(folder.checkpoints)
    acting = experiment.going_on(start.actor_steps)
    program = lp.Program(folder.root.name)
    with program.group(Role.REPLAY):
        replay = program.add_node(_ReplayServer(experiment, folder))
    with program.group(Role.COUNTER):
        counter = program.add_node(_courier_node(_make_counter, folder, experiment.steps, start))
    with program.group(Role.LEARNER):
        learner = program.add_node(
            _courier_node(_make_learner, experiment, folder, replay, counter)
        )
    with program.group(Role.ACTOR):
        for index in range(experiment.num_actors):
            program.add_node(
                lp.PyClassNode(_make_actor, acting, index, folder, replay, learner, counter)
            )
    with program.group(Role.EVALUATOR):
        program.add_node(lp.PyClassNode(_make_evaluator, acting, folder, learner, counter))
    return program


def _courier_node(constructor: Callable[..., Any], *arguments: Any) -> lp.CourierNode:
    return lp.CourierNode(
        constructor, *arguments, courier_client_kwargs={"call_timeout": CALL_TIMEOUT_S}
    )


class _ReplayServer(lp.ReverbNode):
    """Launchpad's node of a Reverb server, whose address others get; what runs is our own."""

    def __init__(self, experiment: Experiment, folder: RunFolder):
        super().__init__(priority_tables_fn=list)
        self._experiment = experiment
        self._folder = folder

    def run(self) -> None:
        from quinoa.launch.nodes.replay import ReplayNode, beat_while_it_answers

        beat_while_it_answers(self.reverb_address.resolve())
        port = address.get_port_from_address(self.reverb_address.resolve())
        ReplayNode(self._experiment, self._folder, port, lp.stop_event()).run()


# These run in the nodes' own processes, each of which imports no more than it needs.


def _make_counter(folder: RunFolder, steps: int, start: Counts) -> Any:
    from quinoa.launch.nodes.counter import CounterNode

    return CounterNode(folder, steps, start, lp.stop_event())


def _make_learner(experiment: Experiment, folder: RunFolder, replay: Any, counter: Any) -> Any:
    from quinoa.launch.nodes.learner import LearnerNode

    return LearnerNode(experiment, folder, replay, counter.report, lp.stop_event())


def _make_actor(
    experiment: Experiment, index: int, folder: RunFolder, replay: Any, learner: Any, counter: Any
) -> Any:
    from quinoa.launch.nodes.actor import ActorNode

    return ActorNode(
        experiment, index, folder, replay, learner.get_parameters, counter.report, lp.stop_event()
    )


def _make_evaluator(experiment: Experiment, folder: RunFolder, learner: Any, counter: Any) -> Any:
    from quinoa.launch.nodes.evaluator import EvaluatorNode

    return EvaluatorNode(
        experiment, folder, learner.get_parameters, counter.report, lp.stop_event()
    )
