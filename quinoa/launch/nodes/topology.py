"""Which kinds of node a run has: who calls whom, which end the run, in which order they stop."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from quinoa.launch.run.roles import Role


@dataclasses.dataclass(frozen=True)
class NodeKind:
    """What an engine must know of the nodes of one role.

    Attributes:
        role: what these nodes do.
        calls: the roles whose services they call.
        ends_run: whether these nodes end by themselves, and the run is over when all of them have,
            where it has actors; without, the learner does: see `may_end`.
        uses_tensorflow: whether all of their processes import TensorFlow. Those that act do where
            the policy has no NumPy form.
        stop_grace_s: seconds from being told to stop until they are killed.
        nice: niceness of their processes above that of what starts them, so that others come first
            on a busy machine.
    """

    role: Role
    calls: tuple[Role, ...] = ()
    ends_run: bool = False
    uses_tensorflow: bool = True
    stop_grace_s: float = 5.0
    nice: int = 0


# The seconds of grace add up to less than 10, but for a learner that is still starting, and for
# last checkpoints that take long to write, of the learner or of what replay holds (10 s for a
# million transitions with both cores busy).
KINDS: Mapping[Role, NodeKind] = {
    kind.role: kind
    for kind in (
        NodeKind(Role.REPLAY, stop_grace_s=60.0),
        NodeKind(Role.COUNTER, uses_tensorflow=False, stop_grace_s=3.0),
        NodeKind(Role.LEARNER, calls=(Role.REPLAY, Role.COUNTER), stop_grace_s=60.0),
        NodeKind(
            Role.ACTOR,
            calls=(Role.REPLAY, Role.LEARNER, Role.COUNTER),
            ends_run=True,
            uses_tensorflow=False,
        ),
        # A learner that waits for the evaluator is worse than an evaluation that takes longer; but
        # on a machine with much else to do, the evaluator must get its turn too.
        NodeKind(Role.EVALUATOR, calls=(Role.LEARNER, Role.COUNTER), uses_tensorflow=False, nice=5),
    )
}


def may_end(role: Role, roles: Collection[Role]) -> bool:
    """Whether nodes of a role end by themselves, so that the run is over when all of them have.

    Args:
        role: what the nodes do.
        roles: of all nodes of the run. Where none of them acts, the learner says when it is over.
    """
    if Role.ACTOR not in roles:
        return role is Role.LEARNER
    return KINDS[role].ends_run


# The roles whose nodes others call: each has one node, and that an address.
SERVICES = tuple(role for role in KINDS if any(role in kind.calls for kind in KINDS.values()))


def stop_order(kinds: Iterable[NodeKind] = tuple(KINDS.values())) -> tuple[tuple[Role, ...], ...]:
    """The roles in groups, in the order in which they are stopped.

    Nodes that call others stop before those that they call; the last group are the services that
    all the others may need until they have stopped.

    Raises:
        ValueError: nodes call one another in a circle.
    """
    left = {kind.role: kind for kind in kinds}
    groups = []
    while left:
        called = {role for kind in left.values() for role in kind.calls}
        group = tuple(role for role in left if role not in called)
        if not group:
            raise ValueError(f"These nodes call one another in a circle: {', '.join(left)}.")
        groups.append(group)
        for role in group:
            del left[role]
    return tuple(groups)
