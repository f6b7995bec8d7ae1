"""The environment variables of a node's process, on the machine on which it is to run."""

from __future__ import annotations

from collections.abc import Mapping

from quinoa.launch.experiment import Experiment
from quinoa.launch.machine import process_environment
from quinoa.launch.machine.sizing import usable_cores
from quinoa.launch.run.roles import Role


def variables(
    role: Role, experiment: Experiment, inherited: Mapping[str, str], *, temporary: str
) -> dict[str, str]:
    """All environment variables of a node's process.

    Only the learner may use more than one core for TensorFlow's operations, and the GPU.

    Args:
        role: what the node does.
        experiment: what is run.
        inherited: the variables of the user's shell; see `ProcessContext`.
        temporary: the folder for the process's temporary files.
    """
    is_learner = role == Role.LEARNER
    return {
        **process_environment.for_node(
            inherited,
            threads=(experiment.learner_threads or usable_cores()) if is_learner else 1,
            gpu=is_learner,
            one_heap=role in (Role.ACTOR, Role.EVALUATOR),
        ),
        "TMPDIR": temporary,
    }
