"""The roles in a run: what each of its processes does, and whose metrics are kept apart."""

from __future__ import annotations

import enum


class Role(str, enum.Enum):
    """What a process of a run does.

    The values are names in files and logs: of metrics (`metrics/actor.csv`), of processes
    (`actor-0`) and of TensorBoard's tags. A member is equal to its value and written as it.
    """

    REPLAY = "replay"
    COUNTER = "counter"
    LEARNER = "learner"
    ACTOR = "actor"
    EVALUATOR = "evaluator"
    # The engine itself, in the main process: it keeps metrics of the restarts of the others.
    SUPERVISOR = "supervisor"

    __str__ = str.__str__


def node_name(role: Role, index: int = 0) -> str:
    """The name of a node in logs, events and the list of processes, such as `actor-0`.

    Args:
        role: what the node does.
        index: of the node among those of its role, from 0.
    """
    return f"{role}-{index}"


# The roles that measure acting and learning, each with a CSV file of its own.
METRIC_ROLES = (Role.ACTOR, Role.LEARNER, Role.EVALUATOR)
