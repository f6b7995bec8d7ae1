"""An experiment as one Launchpad program: which processes there are, and who talks to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

import launchpad as lp
from launchpad import address

from quinoa.launch.checkpoints import learner_checkpoints
from quinoa.launch.experiment import Experiment
from quinoa.launch.nodes.addresses import Addresses
from quinoa.launch.nodes.peers import Peers
from quinoa.launch.run.budget import Budget
from quinoa.launch.run.counts import Counts
from quinoa.launch.run.roles import Role
from quinoa.launch.run.run_folder import RunFolder

if TYPE_CHECKING:
    from quinoa.launch.nodes.actor import ActorNode
    from quinoa.launch.nodes.counter import CounterNode
    from quinoa.launch.nodes.demonstration_learner import DemonstrationLearnerNode
    from quinoa.launch.nodes.evaluator import EvaluatorNode
    from quinoa.launch.nodes.learner import LearnerNode
    from quinoa.launch.nodes.replay import ReplayNode

_Arguments = ParamSpec("_Arguments")


def make_program(experiment: Experiment, folder: RunFolder, addresses: Addresses) -> lp.Program:
    """Makes the program of an experiment, which continues from the folder's newest checkpoint.

    The label of each group is the `Role` of its nodes. No node has a handle of another: each finds
    the others by `addresses`, in its own process, whenever it connects.

    Args:
        experiment: what is run.
        folder: of the run.
        addresses: where the services of the run listen. The nodes' processes ask.
    """
    _, start = learner_checkpoints.newest_with_counts(folder.checkpoints)
    acting = experiment.resumed(start.actor_steps)
    program = lp.Program(folder.root.name)

    def add(role: Role, node: lp.PyNode) -> None:
        program.add_node(node, label=role)

    def service(
        role: Role,
        constructor: Callable[_Arguments, object],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> lp.CourierNode:
        node = lp.CourierNode(constructor, *args, **kwargs)
        node.courier_address.bind(_AddressOf(addresses, role))
        return node

    if not experiment.config.has_actors:
        # Nobody calls the learner, and there is nothing to replay or evaluate in an environment.
        add(Role.COUNTER, service(Role.COUNTER, _make_counter, folder, experiment.budget, start))
        node = lp.PyClassNode(_make_demonstration_learner, experiment, folder, addresses)
        add(Role.LEARNER, node)
        return program
    add(Role.REPLAY, lp.PyClassNode(_make_replay, experiment, folder, addresses))
    add(Role.COUNTER, service(Role.COUNTER, _make_counter, folder, experiment.budget, start))
    add(Role.LEARNER, service(Role.LEARNER, _make_learner, experiment, folder, addresses))
    for index in range(experiment.num_actors):
        add(Role.ACTOR, lp.PyClassNode(_make_actor, acting, index, addresses))
    add(Role.EVALUATOR, lp.PyClassNode(_make_evaluator, acting, addresses))
    return program


class _AddressOf(address.AbstractAddressBuilder):
    """Tells a Courier server where it is to listen, when it starts."""

    def __init__(self, addresses: Addresses, role: Role):
        self._addresses = addresses
        self._role = role

    def build(self) -> str:
        """The address, as `host:port`."""
        return self._addresses.address_of(self._role)


# These run in the nodes' own processes, each of which imports no more than it needs.


def _make_replay(experiment: Experiment, folder: RunFolder, addresses: Addresses) -> ReplayNode:
    from quinoa.launch.nodes.replay import ReplayNode, beat_while_it_answers

    port = address.get_port_from_address(addresses.address_of(Role.REPLAY))
    beat_while_it_answers(f"localhost:{port}")
    return ReplayNode(experiment, folder, port, lp.stop_event())


def _make_counter(folder: RunFolder, budget: Budget, start: Counts) -> CounterNode:
    from quinoa.launch.nodes.counter import CounterNode

    return CounterNode(folder, budget, start, lp.stop_event())


def _make_learner(experiment: Experiment, folder: RunFolder, addresses: Addresses) -> LearnerNode:
    from quinoa.launch.nodes.learner import LearnerNode

    peers = Peers.of(Role.LEARNER, addresses)
    return LearnerNode(experiment, folder, peers.replay, peers.report, lp.stop_event())


def _make_demonstration_learner(
    experiment: Experiment, folder: RunFolder, addresses: Addresses
) -> DemonstrationLearnerNode:
    from quinoa.launch.nodes.demonstration_learner import DemonstrationLearnerNode

    report = Peers.of(Role.LEARNER, addresses).report
    return DemonstrationLearnerNode(experiment, folder, report, lp.stop_event())


def _make_actor(experiment: Experiment, index: int, addresses: Addresses) -> ActorNode:
    from quinoa.launch.nodes.actor import ActorNode

    peers = Peers.of(Role.ACTOR, addresses)
    return ActorNode(
        experiment,
        index,
        peers.replay,
        peers.get_parameters,
        peers.get_acting_plan,
        peers.report,
        lp.stop_event(),
    )


def _make_evaluator(experiment: Experiment, addresses: Addresses) -> EvaluatorNode:
    from quinoa.launch.nodes.evaluator import EvaluatorNode

    peers = Peers.of(Role.EVALUATOR, addresses)
    return EvaluatorNode(
        experiment,
        peers.get_evaluation_parameters,
        peers.get_acting_plan,
        peers.report,
        lp.stop_event(),
    )
